"""Databases that processes of a run share: the reference model, or an SQLite file.

``cut`` makes the next transaction end before one of its statements. ``image`` is every row there is, ``view``
what can be read of it by the protocol, equal for both kinds of store.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from perdure.engine.client import Client, Deployment
from perdure.engine.instance import SLOTS
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import WAITING, AuditQuery, EntityQuery, InstanceQuery
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.store.transaction import Cursor, Transaction
from tests.crash_points.faults import Broken, Crashed

ALL = frozenset(range(SLOTS))
TABLES = (
    "workers slots definitions programs instances requests payloads history entities inbox timers tasks"
    " heartbeats queues subscriptions dead_letters audit schedules"
).split()
LOUD = ("workers", "slots")
"""Tables of which a run without a fault ends otherwise: who has joined, and how often somebody died."""


class Knife:
    """Counts the statements of a transaction that write, and ends it before one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.rows = 0
        """How many rows they have changed."""
        self.fired = False
        self._at = 0
        self._error: Callable[[], BaseException] = Crashed

    def set(self, at: int, error: Callable[[], BaseException]) -> int:
        """Cut before statement ``at`` + 1, or never for 0; returns how many there were until now.

        Those that have changed nothing at all do not count: the model has no such statements.
        """
        count, self.count = self.count if self.rows else 0, 0
        self.rows = 0
        self._at, self._error, self.fired = at, error, False
        return count

    def statement(self) -> None:
        """One is about to be carried out."""
        if self._at and self.count == self._at:
            self.fired = True
            raise self._error()
        self.count += 1


class Opened(ABC):
    """A process's connections."""

    store: Store
    knife: Knife

    @abstractmethod
    def cut(self, at: int, broken: bool) -> int:
        """Let the next transaction end before a statement: by the process's death, or as ``broken``."""

    @abstractmethod
    def crash(self, members: Sequence[str], *, away: bool) -> None:
        """The process that had these ids is over; when its machine is ``away``, nobody sees its locks."""


class Disk(ABC):
    """A database. ``eye`` looks at it, and nothing ever fails there."""

    eye: Store

    @abstractmethod
    def open(self) -> Opened:
        """As another process does."""

    @abstractmethod
    def image(self) -> dict[str, Any]:
        """Every row of every table."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """How many rows each table has."""

    @abstractmethod
    def entity_ids(self) -> list[str]:
        """The ids of all entities that have a row."""

    @abstractmethod
    def next_due(self, now: int) -> int | None:
        """When something is due next: a timer, a message, a task, a schedule, the end of a retention."""

    @abstractmethod
    def close(self) -> None:
        """It is not used any more."""

    def view(self) -> dict[str, Any]:
        """What is left of everything, without who did it and with places in the order for numbers."""
        eye = self.eye
        instances = eye.instances(InstanceQuery(limit=1000))
        audit = eye.audit(AuditQuery(limit=1000))
        letters = eye.dead_letters(limit=1000)
        return {
            "instances": instances,
            "histories": [
                eye.history(row.id, generation, 0, 100_000)
                for row in instances
                for generation in range(1, row.generation + 1)
            ],
            "payloads": [eye.payloads(row.id) for row in instances],
            "loaded": eye.load([row.id for row in instances]),
            "inbox": eye.inbox(ALL, 1000),
            "timers": eye.timers(ALL, 2**62, 1000),
            "tasks": [eye.waiting_tasks(row.id) for row in instances],
            "entities": eye.entities(EntityQuery(limit=1000)),
            "definitions": eye.definitions(),
            "queues": eye.queues(),
            "schedules": eye.schedules(),
            "letters": [msgspec.structs.replace(each, ord=0) for each in letters],
            "audit": [msgspec.structs.replace(each, ord=0) for each in audit],
            "counts": self.counts(),
            "slots": eye.owned_slots(),
        }


# -- the reference model --------------------------------------------------------------------------


class CutMemory(MemoryStore):
    """The reference model, whose transactions can be cut."""

    def __init__(self, clock: Callable[[], int], knife: Knife) -> None:
        super().__init__(clock)
        self.knife = knife

    def _put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self.knife.statement()
        self.knife.rows += 1
        super()._put(table, key, value)

    def _delete(self, table: dict[Any, Any], key: Any) -> bool:
        self.knife.statement()
        found = super()._delete(table, key)
        self.knife.rows += found
        return found


class MemoryOpened(Opened):
    """There is but one store, and all processes use it."""

    def __init__(self, store: CutMemory) -> None:
        self.store: Store = store
        self.knife = store.knife
        self._memory = store

    def cut(self, at: int, broken: bool) -> int:
        return self.knife.set(at, Broken if broken else Crashed)

    def crash(self, members: Sequence[str], *, away: bool) -> None:
        if not away:
            for member in members:
                self._memory.kill(member)


class MemoryDisk(Disk):
    """Dictionaries."""

    def __init__(self, clock: Callable[[], int], deployed: Sequence[Deployment]) -> None:
        self.eye = self._store = CutMemory(clock, Knife())
        if deployed:
            Client(self._store).deploy(deployed)

    def open(self) -> Opened:
        return MemoryOpened(self._store)

    def image(self) -> dict[str, Any]:
        tables = {name: value for name, value in vars(self._store).items() if isinstance(value, dict)}
        copied = {name: dict(value) for name, value in tables.items()}
        copied["_history"] = {key: dict(rows) for key, rows in self._store._history.items() if rows}
        return copied

    def counts(self) -> dict[str, int]:
        store = self._store
        return {
            "instances": len(store._instances),
            "requests": len(store._requests),
            "payloads": len(store._payloads),
            "history": sum(len(rows) for rows in store._history.values()),
            "entities": len(store._entities),
            "inbox": len(store._inbox),
            "timers": len(store._timers),
            "tasks": len(store._tasks),
            "heartbeats": len(store._heartbeats),
            "subscriptions": len(store._subscriptions),
            "dead_letters": len(store._dead_letters),
            "audit": len(store._audit),
            "schedules": len(store._schedules),
        }

    def entity_ids(self) -> list[str]:
        return sorted(self._store._entities)

    def next_due(self, now: int) -> int | None:
        store = self._store
        times = [row.due for row in store._timers.values()]
        times += [each.due for _, each in store._inbox.values()]
        for task in store._tasks.values():
            times.append(task.due)
            times += [] if task.worker is None or task.silent_at is None else [task.silent_at]
        times += [each.due for each in store._schedules.values() if each.due is not None]
        times += [each.purge_at for each in store._instances.values() if each.purge_at is not None]
        return min((each for each in times if now < each < WAITING), default=None)

    def close(self) -> None:
        self._store.close()


# -- SQLite ---------------------------------------------------------------------------------------


class CutConnection:
    """A driver's connection, of which the statements that write are counted."""

    def __init__(self, connection: Any, knife: Knife) -> None:
        self._connection = connection
        self._knife = knife

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """One statement."""
        if not sql.startswith("SELECT"):
            self._knife.statement()
        return self._counted(self._connection.execute(sql, parameters))

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        """One for many rows."""
        self._knife.statement()
        return self._counted(self._connection.executemany(sql, parameters))

    def _counted(self, cursor: Cursor) -> Cursor:
        self._knife.rows += max(cursor.rowcount, 0)
        return cursor


class CutSqlite(SqliteStore):
    """A file, whose transactions can be cut."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self.knife = Knife()
        super().__init__(path, synchronous="NORMAL", clock=clock)

    @contextmanager
    def _write(self, *, quiet: bool = False, member: str | None = None) -> Iterator[Transaction]:
        with super()._write(quiet=quiet, member=member) as tx:
            tx._connection = CutConnection(tx._connection, self.knife)
            yield tx


def _disk_error() -> BaseException:
    error = sqlite3.OperationalError("injected: disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    return error


class SqliteOpened(Opened):
    """Connections of a process's own."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self.store: Store = (store := CutSqlite(path, clock))
        self.knife = store.knife
        self._sqlite = store
        self._locks = Path(f"{path}.workers")

    def cut(self, at: int, broken: bool) -> int:
        return self.knife.set(at, _disk_error if broken else Crashed)

    def crash(self, members: Sequence[str], *, away: bool) -> None:
        self._sqlite.close()
        for member in members if away else ():
            with contextlib.suppress(OSError):
                (self._locks / member).unlink()


class SqliteDisk(Disk):
    """A file of its own, from a copy of one where everything is deployed. Power loss is not the point."""

    def __init__(self, clock: Callable[[], int], template: bytes) -> None:
        shared = Path("/dev/shm")
        place = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="crash-point-", dir=place))
        self._path = self._folder / "hub.db"
        self._path.write_bytes(template)
        self._clock = clock
        self.eye: Store = SqliteStore(self._path, clock=clock)
        self._raw = sqlite3.connect(self._path, isolation_level=None)
        self._opened: list[SqliteOpened] = []

    @staticmethod
    def template(clock: Callable[[], int], deployed: Sequence[Deployment]) -> bytes:
        """A new file with these definitions."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "hub.db"
            store = SqliteStore(path, clock=clock)
            if deployed:
                Client(store).deploy(deployed)
            store.close()
            return path.read_bytes()

    def open(self) -> Opened:
        self._opened.append(SqliteOpened(self._path, self._clock))
        return self._opened[-1]

    def image(self) -> dict[str, Any]:
        return {name: self._raw.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}

    def counts(self) -> dict[str, int]:
        tables = [name for name in TABLES if name not in {*LOUD, "definitions", "programs", "queues"}]
        parts = ", ".join(f"(SELECT count(*) FROM {name})" for name in tables)
        (row,) = self._raw.execute(f"SELECT {parts}").fetchall()
        return dict(zip(tables, row, strict=True))

    def entity_ids(self) -> list[str]:
        return [id_ for (id_,) in self._raw.execute("SELECT id FROM entities ORDER BY id")]

    def next_due(self, now: int) -> int | None:
        columns = {
            "timers": "due",
            "inbox": "due",
            "tasks": "due",
            "schedules": "due",
            "instances": "purge_at",
        }
        parts = [
            f"SELECT min({column}) AS due FROM {table} WHERE {column} > :now AND {column} < :waiting"
            for table, column in columns.items()
        ]
        parts.append("SELECT min(silent_at) FROM tasks WHERE worker IS NOT NULL AND silent_at > :now")
        text = f"SELECT min(due) FROM ({' UNION ALL '.join(parts)})"
        ((due,),) = self._raw.execute(text, {"now": now, "waiting": WAITING}).fetchall()
        return None if due is None else int(due)

    def close(self) -> None:
        for each in self._opened:
            each.crash((), away=False)
        self._raw.close()
        self.eye.close()
        shutil.rmtree(self._folder, ignore_errors=True)
