"""The databases that are simulated, as processes and as onlookers have them.

A process ``connect``s. Who looks from outside sees what is committed and nothing else. ``torn_after`` ends
a process between two statements of a transaction; ``without_power`` ends them all inside a commit.
"""

from __future__ import annotations

import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

from perdure.engine.errors import PerdureError
from perdure.engine.store.clock import StoreClock
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from perdure.engine.store.sqlite import SqliteStore
from tests.sim.mirror import Mirror, Mirrored
from tests.sim.tables import TABLES, Dump, Row, of_columns, of_memory, query

Clock = Callable[[], int]


class Torn(BaseException):
    """The process dies here, between two statements."""


class Steps:
    """Counts the statements of the process that is to die in one; None while nobody is."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False

    def step(self) -> None:
        """A statement is about to be executed."""
        if self.left is None:
            return
        if self.left == 0:
            self.dead = True
            raise Torn
        self.left -= 1


class Hub(ABC):
    """One database."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        self._outside: Store | None = None

    @abstractmethod
    def connect(self) -> Store:
        """The store as a new process has it."""

    @abstractmethod
    def look(self) -> Store:
        """The store as somebody has it who only looks."""

    @abstractmethod
    def kill(self, member: str) -> None:
        """The process of a member is over, and everybody can see that."""

    @abstractmethod
    def rows(self, table: str) -> list[Row]:
        """Everything in a table."""

    @abstractmethod
    def state_of(self, member: str) -> str | None:
        """Whether a member is live, dead or has left; None if nobody knows."""

    @abstractmethod
    def owner_of(self, slot: int) -> str | None:
        """Who owns a slot."""

    @abstractmethod
    def torn_after(self, store: Store, statements: int) -> AbstractContextManager[None]:
        """Within this context the process of ``store`` dies after so many statements, by ``Torn``."""

    @abstractmethod
    def without_power(self, store: Store, act: Callable[[], object], random: Random) -> bool:
        """Carry out a write of ``store`` and keep of it what a disk has by chance; returns whether all.

        What was acknowledged before it is kept. All processes are over then.
        """

    def changed(self, store: Store, *, news: bool) -> bool:
        """What ``changed`` of a process's store says, where there is ``news`` or none."""
        return news

    def outside(self) -> Store:
        """The store of somebody who asks without being a member."""
        if self._outside is None:
            self._outside = self.connect()
        return self._outside

    def dump(self) -> Dump:
        """Everything."""
        return {name: self.rows(name) for name in TABLES}

    def image(self) -> object:
        """Everything, to the last byte where it lies in files."""
        return self.dump()

    def compare(self) -> None:  # noqa: B027
        """C12: nothing, where no model goes along."""

    def close(self) -> None:  # noqa: B027
        """Nobody uses it any more."""

    def _end_all(self) -> None:
        """Every process is over."""
        self._outside = None
        for member in self.rows("workers"):
            self.kill(member["id"])


# -- in memory ------------------------------------------------------------------------------------


class _Memory(MemoryStore):
    """The reference model, whose writes can be torn."""

    def __init__(self, clock: Clock) -> None:
        self.steps = Steps()
        super().__init__(clock)

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self.steps.step()
        super()._put(table, key, value)

    def _delete(self, table: dict[Any, Any], key: Any) -> bool:
        self.steps.step()
        return super()._delete(table, key)


class MemoryHub(Hub):
    """All processes have one store."""

    kind = "memory"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._store = _Memory(clock)

    def connect(self) -> Store:
        return self._store

    def look(self) -> Store:
        return self._store

    def kill(self, member: str) -> None:
        self._store.kill(member)

    def rows(self, table: str) -> list[Row]:
        return of_memory(self._store, table)

    def state_of(self, member: str) -> str | None:
        row = self._store._workers.get(member)
        return None if row is None else row.state

    def owner_of(self, slot: int) -> str | None:
        return self._store._slots[slot]

    @contextmanager
    def torn_after(self, store: Store, statements: int) -> Iterator[None]:
        steps = self._store.steps
        steps.left = statements
        try:
            yield
        finally:
            steps.left = None

    def without_power(self, store: Store, act: Callable[[], object], random: Random) -> bool:
        whole = random.random() < 0.5
        if whole:
            with suppress(PerdureError):
                act()
        self._end_all()
        return whole


# -- in a file ------------------------------------------------------------------------------------


class _Said(StoreClock):
    """Tells what time a store has said last."""

    def __init__(self, source: Clock) -> None:
        super().__init__(source)
        self.said = 0

    def now(self, not_before: int = 0) -> int:
        self.said = super().now(not_before)
        return self.said


class _Connection:
    """A driver's connection that can die between two statements; nothing works after that but to close it."""

    def __init__(self, connection: sqlite3.Connection, steps: Steps) -> None:
        self._connection = connection
        self._steps = steps

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._step()
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        self._step()
        return self._connection.executemany(sql, parameters)

    def _step(self) -> None:
        if self._steps.dead:
            raise sqlite3.OperationalError("the process is dead")
        self._steps.step()

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        # A cursor that somebody has yet would keep the lock, as the end of a process does not.
        self._connection.rollback()
        self._connection.close()


class SteppedSqlite(SqliteStore):
    """A store on a file, whose process can die between two statements."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.steps = Steps()
        self.clock = _Said(clock)
        super().__init__(path)

    def _prepare(self, *, reopen: bool, create: bool) -> None:
        self._clock = self.clock
        super()._prepare(reopen=reopen, create=create)

    def _open(self) -> sqlite3.Connection:
        return cast("sqlite3.Connection", _Connection(super()._open(), self.steps))


class SqliteHub(Hub):
    """A file, and each process has connections of its own to it. A model goes along (C12)."""

    kind = "sqlite"

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._directory = TemporaryDirectory(prefix="perdure-sim-", dir=_fastest())
        self._path = Path(self._directory.name) / "hub.db"
        self._path.write_bytes(_new_database())
        self._open: list[SteppedSqlite] = []
        self._mirror = Mirror()
        self._watch()

    def _watch(self) -> None:
        self._looking = self._opened()
        self._connection = sqlite3.connect(self._path, isolation_level=None)

    def _opened(self) -> SteppedSqlite:
        store = SteppedSqlite(self._path, self._clock)
        self._open.append(store)
        return store

    def connect(self) -> Store:
        store = self._opened()
        return cast("Store", Mirrored(store, self._mirror, lambda: store.clock.said))

    def look(self) -> Store:
        return self._looking

    def changed(self, store: Store, *, news: bool) -> bool:
        return _real(store).changed()

    def kill(self, member: str) -> None:
        # Locks of this process's files are known to all stores of it.
        self._looking._members.release(member)
        self._mirror.kill(member)

    def rows(self, table: str) -> list[Row]:
        return of_columns(table, self._connection.execute(query(table)))

    def state_of(self, member: str) -> str | None:
        row = self._connection.execute("SELECT state FROM workers WHERE id = ?", [member]).fetchone()
        return None if row is None else str(row[0])

    def owner_of(self, slot: int) -> str | None:
        (owner,) = self._connection.execute("SELECT owner FROM slots WHERE id = ?", [slot]).fetchone()
        return None if owner is None else str(owner)

    def image(self) -> object:
        files = [path for path in Path(self._directory.name).iterdir() if path.suffix in {".db", ".db-wal"}]
        return {path.name: path.read_bytes() for path in files}

    def compare(self) -> None:
        """C12: the file has what the model has after the same calls."""
        for table in TABLES:
            mine, model = self.rows(table), self._mirror.rows(table)
            assert mine == model, f"C12: {table}: {_differences(mine, model)}"

    @contextmanager
    def torn_after(self, store: Store, statements: int) -> Iterator[None]:
        real = _real(store)
        real.steps.left = statements
        try:
            yield
        except Torn:
            # As the end of the process does, wherever it was.
            real._drop_writer()
            raise
        finally:
            real.steps.left, real.steps.dead = None, False

    def without_power(self, store: Store, act: Callable[[], object], random: Random) -> bool:
        log, writer = Path(f"{self._path}-wal"), _real(store)._connection()
        # So that what the commit writes is in the log alone.
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        before, least = _head(log), log.stat().st_size if log.exists() else 0
        with self._mirror.paused() as repeat:
            with suppress(PerdureError):
                act()
            text = log.read_bytes()
            size = len(text)
            if _head(log) == before:
                size = random.choice([random.randrange(least, size + 1), size])
            kept = self._path.read_bytes()
            self._close()
            self._path.write_bytes(kept)
            log.write_bytes(text[:size])
            whole = size == len(text)
            if whole:
                repeat()
        self._watch()
        self._end_all()
        return whole

    def close(self) -> None:
        self._close()
        self._directory.cleanup()

    def _close(self) -> None:
        self._connection.close()
        while self._open:
            self._open.pop().close()


def _real(store: Store) -> SteppedSqlite:
    real = store.real if isinstance(store, Mirrored) else store
    assert isinstance(real, SteppedSqlite), store
    return real


def _head(log: Path) -> bytes:
    """What tells one log from the next."""
    return log.read_bytes()[:32] if log.exists() else b""


def _differences(mine: list[Row], model: list[Row]) -> str:
    """The rows that only one of two has."""
    here, there = [row for row in mine if row not in model], [row for row in model if row not in mine]
    return f"the file has {here[:3]}, the model {there[:3]}" if here or there else "the order differs"


@cache
def _fastest() -> str | None:
    """Where files lie in memory, if there is such a place."""
    place = Path("/dev/shm")
    return str(place) if os.access(place, os.W_OK) else None


@cache
def _new_database() -> bytes:
    """A file as the migrations make it."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "new.db"
        SqliteStore(path).close()
        return path.read_bytes()


HUBS: dict[str, Callable[[Clock], Hub]] = {"memory": MemoryHub, "sqlite": SqliteHub}
"""By the name of the store."""
