"""A hub in an SQLite file.

One writer at a time: every write transaction is BEGIN IMMEDIATE, behind a turnstile that makes processes
queue (SQLite's own busy handler sleeps and tries again, which starves whoever is not busy). Readers have
connections of their own and never wait. Nothing is acknowledged before it is on the disk
(``synchronous=FULL``). Not for network file systems.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.dialects import sqlite as dialect

from perdure.engine.errors import Busy, NotFound, OutcomeUnknown, Refused, StoreError, Unfit
from perdure.engine.store import listing
from perdure.engine.store import statements as s
from perdure.engine.store.clock import StoreClock
from perdure.engine.store.closing import check_open, is_closed, opening
from perdure.engine.store.locks import Members, Turnstile
from perdure.engine.store.migrations import HEAD, check_known
from perdure.engine.store.rows import InstanceQuery
from perdure.engine.store.sql import SqlStore
from perdure.engine.store.transaction import Compiler, Transaction

BUSY_TIMEOUT = 5.0
"""Seconds that the first in the queue waits for the transaction before it."""

CACHE_KIB = 32 * 1024
WAL_LIMIT = 64 * 1024 * 1024

_COMPILER = Compiler(dialect.dialect(paramstyle="qmark"))

_LAST_NUMBER = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
_FORGET_NUMBER = text("DELETE FROM sqlite_sequence WHERE name = :table")
_NUMBER_FROM = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)")


class SqliteStore(SqlStore):
    """A hub in the SQLite file ``path``, which is created if there is none, unless ``create`` is False.

    ``synchronous`` ``NORMAL`` is faster and may lose what was acknowledged when the power fails; a crash
    of the process loses nothing either way. ``clock`` gives microseconds since 1970 UTC. ``reopen`` opens a
    hub that an export has closed. Everything but ``changed`` may be called from several threads at once. A
    store is not carried over a fork. Raises ``Conflict`` for a hub that is closed, ``NotFound`` for none that
    is not to be created.

    Beside the file lie SQLite's own ``-wal`` and ``-shm``, the turnstile and the workers' lock files.
    """

    shares_slots = False

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        clock: Callable[[], int] | None = None,
        reopen: bool = False,
        create: bool = True,
    ) -> None:
        self._path = os.path.realpath(path)
        self._synchronous = synchronous
        self._clock = StoreClock(clock)
        self._process = os.getpid()
        self._closed = False
        self._lock = threading.RLock()
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._version: int | None = None
        self._news = False
        self._turnstile = Turnstile(f"{self._path}.turnstile")
        self._members = Members(f"{self._path}.workers")
        try:
            self._prepare(reopen=reopen, create=create)
        except BaseException:
            self.close()
            raise

    # -- the file ---------------------------------------------------------------------------------

    def _prepare(self, *, reopen: bool, create: bool) -> None:
        """Create or upgrade the schema; of several processes that open a new file at once, one does."""
        with self._lock, _errors(self._path), self._turnstile:
            connection = self._connection()
            revision = _revision(connection, self._path)
            if reopen and revision is not None and is_closed(revision):
                revision = _open_again(connection, self._path, revision)
            if revision is None and not create:
                raise NotFound(f"The file {self._path!r} holds no hub.")
            if revision != HEAD:
                _migrate(connection, self._path, revision)
            (stored,) = connection.execute("SELECT value FROM meta WHERE key = 'time'").fetchone()
            self._clock.now(int(stored))
            self._look(connection)

    def _connection(self) -> sqlite3.Connection:
        """The one connection that writes; behind the turnstile or not, but with the lock held."""
        if self._writer is None:
            connection = self._open()
            self._writer = connection
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(f"The file {self._path!r} cannot be used with a write-ahead log ({mode}).")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        return self._writer

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _usable(self) -> None:
        if self._closed:
            raise StoreError("The store is closed.")
        if self._process != os.getpid():
            raise StoreError("The store was opened by another process: open it again after a fork.")

    def close(self) -> None:
        with self._lock:
            if self._closed or self._process != os.getpid():
                return
            self._closed = True
            self._drop_writer()
            while self._readers:
                self._readers.pop().close()
            self._members.close()
            self._turnstile.close()

    def _drop_writer(self) -> None:
        if self._writer is not None:
            with suppress(sqlite3.Error):
                self._writer.close()
            self._writer = None
            self._version = None
            self._news = True

    # -- transactions -----------------------------------------------------------------------------

    @contextmanager
    def _write(self, *, quiet: bool = False, member: str | None = None) -> Iterator[Transaction]:
        with self._lock:
            self._usable()
            try:
                with _errors():
                    connection = self._connection()
                    with self._turnstile:
                        connection.execute("BEGIN IMMEDIATE")
                    self._look(connection)
                    yield self._transaction(connection)
            except BaseException:
                self._undo()
                raise
            self._commit(connection)
            self._news = self._news or not quiet

    def _transaction(self, connection: sqlite3.Connection) -> Transaction:
        return Transaction(connection, _COMPILER, self._clock.now())

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if _code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} and connection.in_transaction:
                self._undo()
                raise _translated(error) from error
            self._drop_writer()
            raise OutcomeUnknown(f"The commit failed, but may be found on the disk: {error}.") from error

    def _undo(self) -> None:
        try:
            if self._writer is not None and self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
        except sqlite3.Error:
            self._drop_writer()

    @contextmanager
    def _read(self) -> Iterator[Transaction]:
        self._usable()
        with _errors():
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                yield Transaction(connection, _COMPILER, self._clock.now())
                connection.execute("ROLLBACK")
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)

    def _reader(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._readers.pop()
        connection = self._open()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._readers.append(connection)
        if self._closed:
            with suppress(IndexError):
                self._readers.pop().close()

    # -- what differs -----------------------------------------------------------------------------

    def _near(self, tx: Transaction, query: InstanceQuery) -> list[tuple[Any, ...]] | None:
        # SQLite knows of no value how common it is: it would gather and sort all that have the tag.
        counts = listing.counts_of_tags(query)
        if not counts or any(tx.rows_once(each)[0][0] < listing.MANY for each in counts):
            return None
        found = tx.rows_once(listing.near(query))
        return found if len(found) >= query.limit else None

    def time(self) -> int:
        return self._clock.now()

    def _fence(self, tx: Transaction, worker: str, lease: int | None) -> int | None:
        row = tx.row(s.FENCE, the_id=worker)
        if row is None:
            return None
        now = self._clock.now(int(row[0]))
        if lease is not None:
            tx.run(s.RENEW, the_id=worker, lease_until=now + lease)
            tx.run(s.SET_TIME, value=str(now))
        return now

    def _joining_time(self, tx: Transaction) -> int:
        stored = tx.row(s.META, the_key="time")
        now = self._clock.now(int(stored[0]) if stored else 0)
        tx.run(s.SET_TIME, value=str(now))
        return now

    def _enter(self, worker: str, lease: int) -> None:
        self._usable()
        self._members.enter(worker)

    def _exit(self, worker: str) -> None:
        self._members.exit(worker)

    def _surely_over(self, worker: str) -> bool:
        return self._members.surely_over(worker)

    def _alone(self, tx: Transaction) -> None:
        """One writes at a time anyway."""

    def _last_number(self, tx: Transaction, table: str) -> int:
        row = tx.row(_LAST_NUMBER, table=table)
        return 0 if row is None else int(row[0])

    def _number_from(self, tx: Transaction, table: str, last: int) -> None:
        tx.run(_FORGET_NUMBER, table=table)
        tx.run(_NUMBER_FROM, table=table, last=last)

    def changed(self) -> bool:
        """Whether anybody has written since the last call; this store's own fenced writes do not count.

        A hint for one thread. While another thread writes through this store the answer is yes.
        """
        self._usable()
        if not self._lock.acquire(blocking=False):
            return True
        try:
            with _errors():
                self._look(self._connection())
            news, self._news = self._news, False
        finally:
            self._lock.release()
        return news

    def _look(self, connection: sqlite3.Connection) -> None:
        """SQLite's ``data_version`` changes when another connection has committed, and only then."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._news = self._news or self._version is not None
            self._version = version


def _revision(connection: sqlite3.Connection, path: str) -> str | None:
    """The schema's revision; None in a new file. Raises ``StoreError`` for somebody else's file."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" in tables:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    if tables:
        raise StoreError(
            f"The file {path!r} is an SQLite database of something else.",
            hint="give the path of a file of its own",
        )
    return None


def _open_again(connection: sqlite3.Connection, path: str, revision: str) -> str | None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in opening(revision):
        connection.execute(statement)
    connection.execute("COMMIT")
    return _revision(connection, path)


def _migrate(connection: sqlite3.Connection, path: str, revision: str | None) -> None:
    check_open(revision, f"The database {path!r}")
    check_known(revision, f"The database {path!r}")
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    from perdure.engine.store.migrations.upgrade import upgrade

    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as alchemy, alchemy.begin():
        # The driver does not begin by itself, but it commits and rolls back when SQLAlchemy says so.
        connection.execute("BEGIN IMMEDIATE")
        upgrade(alchemy)


# -- errors ---------------------------------------------------------------------------------------

_SENTENCES: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_CONSTRAINT: (Refused, "The database refuses a row"),
    sqlite3.SQLITE_TOOBIG: (Unfit, "A value is too big for the database"),
    sqlite3.SQLITE_MISMATCH: (Unfit, "A value has the wrong type for the database"),
    sqlite3.SQLITE_BUSY: (Busy, "Another process is writing"),
    sqlite3.SQLITE_LOCKED: (Busy, "Another process is writing"),
    sqlite3.SQLITE_FULL: (Busy, "The disk is full"),
    sqlite3.SQLITE_IOERR: (StoreError, "The disk reports an error"),
    sqlite3.SQLITE_READONLY: (StoreError, "The database may not be written"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "The database cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (StoreError, "The database is damaged"),
    sqlite3.SQLITE_NOTADB: (StoreError, "The file is not a database"),
}


@contextmanager
def _errors(path: str | None = None) -> Iterator[None]:
    """Whatever the driver raises becomes one of the engine's exceptions, which name the file if it is given.

    Only who opens it gives it: other errors go to people who need not know where the file lies.
    """
    try:
        yield
    except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
        raise _translated(error, path) from error


def _translated(error: Exception, path: str | None = None) -> StoreError:
    if isinstance(error, UnicodeEncodeError):
        return Unfit("A text is not valid Unicode: it has half of a surrogate pair.")
    if isinstance(error, OverflowError):
        return Unfit("A number does not fit into 64 bits.")
    kind, sentence = _SENTENCES.get(_code(error), (StoreError, "The database did not do it"))
    said = [sentence] if str(error) in sentence else [sentence, str(error)]
    return kind(f"{': '.join(said if path is None else [*said, path])}.")


def _code(error: Exception) -> int:
    """The primary result code; drivers keep more detail in the upper bits."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else -1
