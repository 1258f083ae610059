"""A hub in a schema of PostgreSQL.

Each worker writes everything that is fenced on one connection, one transaction at a time. That connection
*is* its membership: when it breaks, the worker has to join again under a new id, for behind the next one may
stand a standby that knows less than the worker's memory. Everything else uses connections by turns.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import BigInteger, Insert, Text, cast, func, literal_column, select, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.expression import Executable

from perdure.engine.errors import Busy, FenceLost, Refused, StoreError
from perdure.engine.instance import SLOTS
from perdure.engine.store import statements as s
from perdure.engine.store.changes import Changes
from perdure.engine.store.clock import HeardClock
from perdure.engine.store.notices import Notice
from perdure.engine.store.postgres_errors import ERRORS, Lost, translated
from perdure.engine.store.postgres_notices import Listener, Teller, channel
from perdure.engine.store.postgres_schema import prepare
from perdure.engine.store.postgres_sessions import MICROSECONDS, Begun, Pool, Session, direct
from perdure.engine.store.postgres_stuck import END_CLIENTS, END_MEMBER
from perdure.engine.store.statements import BySlot
from perdure.engine.store.tables import METADATA
from perdure.engine.store.telling import Noting, Telling
from perdure.engine.store.transaction import Compiler, Transaction
from perdure.engine.store.urls import postgres_url

_log = logging.getLogger("perdure.store")

TIMEOUT = 5.0
"""Seconds that a client waits for a lock, and the database for its next statement."""
PATIENCE = 60.0
"""Seconds that a statement of a client may take."""
CONNECTIONS = 10
"""Beside those of the workers."""
COPY_FROM = 4
"""Rows from which on COPY is faster than a prepared INSERT each."""

_DIALECT = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
_COMPILER = Compiler(_DIALECT)
_QUOTE = _DIALECT.identifier_preparer.quote

_TIME = literal_column(MICROSECONDS, BigInteger())
FENCE = s.FENCE.with_only_columns(_TIME).with_for_update(read=True)
RENEW = s.RENEW.returning(_TIME)
SNAPSHOT = select(cast(func.pg_current_snapshot(), Text))
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_LOCK_ALL = text(f"LOCK TABLE {', '.join(map(_QUOTE, METADATA.tables))} IN EXCLUSIVE MODE")
_WAIT_FOR_US = text("SET LOCAL idle_in_transaction_session_timeout = 0")
_SEQUENCE = "CAST(pg_get_serial_sequence(:table, 'ord') AS regclass)"
_LAST_NUMBER = text(f"SELECT pg_sequence_last_value({_SEQUENCE})")
_NUMBER_FROM = text(f"SELECT setval({_SEQUENCE}, :last)")
NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, %s)"
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


class PostgresStore(Telling):
    """A hub in the database that a URL names, in a schema of it, which is made if there is none.

    ``clock`` gives microseconds since 1970 UTC in the place of the database's, for tests. ``reopen`` opens a
    hub that an export has closed. Everything but ``changed`` may be called from several threads at once. A
    store is not carried over a fork. Raises ``Conflict`` for a hub that is closed.
    """

    shares_slots = True

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], int] | None = None,
        reopen: bool = False,
        create: bool = True,
    ) -> None:
        super().__init__()
        self._url = postgres_url(url)
        self._clock = HeardClock(clock)
        self._process = os.getpid()
        self._closed = False
        self._pool = Pool(self._connect, CONNECTIONS)
        self._members: dict[str, Session] = {}
        self._one_at_a_time = threading.RLock()
        self._changes = Changes()
        self._listener: Listener | None = None
        self._listening = threading.Lock()
        self._teller = Teller(self._notify, channel(self._url.schema))
        session = self._connect()
        prepare(session, self._url, reopen=reopen, create=create)
        self._pool.give_back(session)

    def _connect(self) -> Session:
        return Session(self._url, timeout=TIMEOUT, patience=PATIENCE)

    def _usable(self) -> None:
        if self._closed:
            raise StoreError("The store is closed.")
        if self._process != os.getpid():
            raise StoreError("The store was opened by another process: open it again after a fork.")

    def close(self) -> None:
        if self._closed or self._process != os.getpid():
            return
        self._told.clear()
        self._listen_or_not()
        self._teller.close()
        self._closed = True
        with self._one_at_a_time:
            for worker in list(self._members):
                self._exit(worker)
        self._pool.close()

    # -- transactions -----------------------------------------------------------------------------

    @contextmanager
    def _read(self) -> Iterator[Transaction]:
        self._usable()
        try:
            with self._pool.begun(write=False) as (session, begun), self._undone_by_errors(session):
                yield self._transaction(session, begun)
                session.undo()
        except ERRORS as error:
            raise translated(error) from error

    @contextmanager
    def _write(self, *, quiet: bool = False, member: str | None = None) -> Iterator[Transaction]:
        self._usable()
        if member is not None:
            with self._one_at_a_time, self._written_by(member) as tx:
                yield tx
            return
        try:
            with self._pool.begun(write=True) as (session, begun), self._undone_by_errors(session):
                yield (tx := self._transaction(session, begun))
                self._commit(session, begun, quiet=quiet)
        except ERRORS as error:
            found = translated(error)
            self._look_who_keeps_us(found)
            raise found from error
        self._tell(tx.notice, quiet=quiet)

    @contextmanager
    def _written_by(self, member: str) -> Iterator[Transaction]:
        session = self._members.get(member)
        if session is None or not session.usable:
            raise FenceLost(f"The connection of the worker {member!r} is lost, and its membership with it.")
        try:
            with self._undone_by_errors(session):
                begun = session.begin(write=True)
                yield (tx := self._transaction(session, begun))
                self._commit(session, begun, quiet=True)
        except ERRORS as error:
            found = translated(error)
            self._look_who_keeps_us(found)
            if isinstance(found, Lost) or not session.usable:
                raise FenceLost(f"The connection of the worker {member!r} is lost: {found}") from error
            raise found from error
        self._tell_of_own(tx.notice)

    def _look_who_keeps_us(self, error: StoreError) -> None:
        """Who has stopped with what we wait for is thrown out, and not in our way the next time."""
        if isinstance(error, Busy):
            with suppress(StoreError), self._read() as tx:
                for _ in tx.rows(END_CLIENTS, schema=self._url.schema, seconds=PATIENCE):
                    _log.warning("a client has stopped in the middle of a message: it was cut off")

    @contextmanager
    def _undone_by_errors(self, session: Session) -> Iterator[None]:
        try:
            yield
        except BaseException:
            session.undo()
            raise

    def _transaction(self, session: Session, begun: Begun) -> _Transaction:
        return _Transaction(session.cursor, self._clock.heard(begun.time), self._url.schema)

    def _commit(self, session: Session, begun: Begun, *, quiet: bool) -> None:
        if quiet and begun.number is not None:
            self._changes.mine(begun.number)
        session.commit()

    # -- notices ----------------------------------------------------------------------------------

    @property
    def listening(self) -> bool:
        """Whether what other processes tell would be heard."""
        listener = self._listener
        return listener is not None and listener.hears

    def _listen_or_not(self) -> None:
        with self._listening:
            if self._told and self._listener is None and self._url.can_listen:
                self._listener = Listener(
                    lambda: direct(self._url, TIMEOUT),
                    channel(self._url.schema),
                    self._teller,
                    heard=self._hear,
                    lost=self._deaf,
                )
            elif not self._told and self._listener is not None:
                self._listener.close()
                self._listener = None

    def _send(self, notice: Notice) -> None:
        self._teller.tell(notice)

    def _notify(self, channel: str, text: str) -> None:
        with self._write(quiet=True) as tx:
            assert isinstance(tx, _Transaction)
            tx.notify(channel, text)

    # -- time and membership ----------------------------------------------------------------------

    def time(self) -> int:
        """The database's time as it was heard within the last moments, or else asked for now."""
        now = self._clock.recent()
        if now is None:
            with self._read() as tx:
                now = tx.now
        return now

    def _fence(self, tx: Transaction, worker: str, lease: int | None) -> int | None:
        if lease is None:
            row = tx.row(FENCE, the_id=worker)
        else:
            row = tx.row(RENEW, the_id=worker, lease_until=tx.now + lease)
        return None if row is None else self._clock.heard(int(row[0]))

    def _joining_time(self, tx: Transaction) -> int:
        return tx.now

    def _enter(self, worker: str, lease: int) -> None:
        self._usable()
        if worker in self._members:
            raise Refused(f"The worker id {worker!r} was used before.")
        half = lease / 2_000_000
        self._members[worker] = Session(self._url, timeout=half, patience=half)

    def _exit(self, worker: str) -> None:
        self._slots.pop(worker, None)
        session = self._members.pop(worker, None)
        if session is not None:
            session.close()

    def take_over(self, worker: str, victim: str, seen_lease: int | None) -> bool:
        """Who has stopped with its row in its hand is thrown out, and found dead at the next look."""
        if super().take_over(worker, victim, seen_lease):
            return True
        if seen_lease is not None:
            with self._read() as tx:
                seconds = self._members[worker].timeout
                for _ in tx.rows(END_MEMBER, worker=victim, lease=seen_lease, seconds=seconds):
                    _log.warning("worker %s has stopped in the middle of a message: it was cut off", victim)
        return False

    def gone(self, worker: str) -> list[str]:
        """Nobody can tell from here: the lease decides."""
        return []

    def _surely_over(self, worker: str) -> bool:
        return False

    def _alone(self, tx: Transaction) -> None:
        tx.run(_LOCK_ALL)
        # A large file takes long until it is on the disk, and everybody else is locked out anyway.
        tx.run(_WAIT_FOR_US)

    def _last_number(self, tx: Transaction, table: str) -> int:
        ((last,),) = tx.rows(_LAST_NUMBER, table=table)
        return last or 0

    def _number_from(self, tx: Transaction, table: str, last: int) -> None:
        if last:
            tx.rows(_NUMBER_FROM, table=table, last=last)

    def changed(self) -> bool:
        """Whether anybody has written since the last call; this store's own fenced writes do not count."""
        with self._read() as tx:
            ((snapshot,),) = tx.rows(SNAPSHOT)
        return self._changes.seen(snapshot)


class _Transaction(Noting):
    """With locks that are more than rows, and COPY for many rows."""

    def __init__(self, cursor: psycopg.Cursor[Any], now: int, schema: str) -> None:
        super().__init__(cursor, _COMPILER, now)  # type: ignore[arg-type]
        self._cursor = cursor
        self._schema = schema

    def lock(self, name: str) -> None:
        self._cursor.execute(LOCK, [self._lock_name(name)])

    def try_lock(self, name: str) -> bool:
        ((got,),) = self._cursor.execute(TRY_LOCK, [self._lock_name(name)]).fetchall()
        return bool(got)

    def notify(self, channel: str, text: str) -> None:
        """Nobody waits for the disk because of it."""
        self._cursor.execute(NOTIFY, [channel, text])

    def _lock_name(self, name: str) -> str:
        return f"perdure {self._schema} {name}"

    def rows_of_slots(self, query: BySlot, slots: frozenset[int], **parameters: Any) -> list[tuple[Any, ...]]:
        if len(slots) == SLOTS:
            return self.rows(query.all, **parameters)
        return self.rows(query.listed, slots=sorted(slots), **parameters)

    def rows_each(
        self, statement: Executable, parameters: Sequence[Mapping[str, Any]]
    ) -> list[list[tuple[Any, ...]]]:
        """All of them are sent before the first answer is read."""
        if len(parameters) < 2:
            return super().rows_each(statement, parameters)
        compiled = _COMPILER(statement)
        with self._cursor.connection.pipeline():
            answers = [self._cursor.connection.execute(*compiled.bind(each)) for each in parameters]
        return [answer.fetchall() for answer in answers]

    def tuples(self, statement: Executable, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        compiled = _COMPILER(statement)
        if len(rows) >= COPY_FROM and isinstance(statement, Insert) and " ON CONFLICT " not in compiled.text:
            columns = ", ".join(map(_QUOTE, compiled.parameters))
            with self._cursor.copy(f"COPY {_QUOTE(statement.table.name)} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        elif len(rows) == 1:
            self._cursor.execute(compiled.text, rows[0])
        else:
            self._cursor.executemany(compiled.text, rows)
        return self._noted(statement, self._cursor.rowcount, rows)
