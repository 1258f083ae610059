"""The stores that are compared: each is a hub, the tables that it has, and its connections.

A new store is a row of ``STORES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select

from perdure.engine.store import tables as t
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.protocol import Store
from perdure.engine.store.records import from_instance, from_worker
from perdure.engine.store.sql import SqlStore
from tests.engine.store.factory import Clock, Hub, sqlite_hub

Rows = list[tuple[Any, ...]]
Snapshot = dict[str, Rows]

_MISSING = object()
_NOT_KEPT = {"meta"}
"""Not compared: the store's own notes."""
_NUMBERED = {"inbox", "dead_letters", "audit"}
"""Tables whose numbers are the store's own affair, but for their order."""


class Model(MemoryStore):
    """The reference; ``written`` says whether the last call has changed any row."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.written = False

    @contextmanager
    def _write(self) -> Iterator[None]:
        self.written = False
        with super()._write():
            yield
            self.written = any(table.get(key, _MISSING) != value for table, key, value in self._undo)

    def close(self) -> None:
        """Nothing is kept for one that is opened again: it is the same object."""

    def snapshot(self) -> Snapshot:
        """The rows of all tables, as the SQL stores have them."""
        inbox = sorted(self._inbox.values(), key=lambda row: row[0])
        return {
            "workers": _of_mappings(t.workers, map(from_worker, self._workers.values())),
            "slots": sorted((slot, self._slots[slot], self._crashes[slot]) for slot in self._slots),
            "definitions": _of_records(t.definitions, self._definitions.values()),
            "programs": sorted(self._programs.items()),
            "instances": _of_mappings(t.instances, map(from_instance, self._instances.values())),
            "instance_tags": sorted(
                (one.id, tag, value) for one in self._instances.values() for tag, value in one.tags.items()
            ),
            "requests": sorted(
                (*key, row.fingerprint, row.answer, self._requests_at[key])
                for key, row in self._requests.items()
            ),
            "payloads": _of_records(t.payloads, self._payloads.values()),
            "history": _of_records(
                t.history, [row for rows in self._history.values() for row in rows.values()]
            ),
            "entities": _of_records(t.entities, self._entities.values()),
            "inbox": _numbered(_of_record(t.inbox, message, ord=ord_) for ord_, message in inbox),
            "timers": _of_records(t.timers, self._timers.values()),
            "tasks": _of_records(t.tasks, self._tasks.values()),
            "heartbeats": sorted((*place, details) for place, details in self._heartbeats.items()),
            "queues": _of_records(t.queues, self._queues.values()),
            "subscriptions": _of_records(t.subscriptions, self._subscriptions.values()),
            "dead_letters": _numbered(
                _of_record(t.dead_letters, self._dead_letters[ord_]) for ord_ in sorted(self._dead_letters)
            ),
            "audit": _numbered(_of_record(t.audit, self._audit[ord_]) for ord_ in sorted(self._audit)),
            "schedules": _of_records(t.schedules, self._schedules.values()),
            "api_keys": _of_records(t.api_keys, self._api_keys.values()),
        }


def _of_record(table: Any, row: Any, **more: Any) -> tuple[Any, ...]:
    names = [column.name for column in table.columns]
    return tuple(more[name] if name in more else getattr(row, name) for name in names)


def _of_records(table: Any, rows: Any) -> Rows:
    return _sorted([_of_record(table, row) for row in rows])


def _of_mappings(table: Any, rows: Any) -> Rows:
    return _sorted([tuple(row[column.name] for column in table.columns) for row in rows])


def _sorted(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: [(each is not None, each) for each in row])


def _numbered(rows: Iterator[tuple[Any, ...]]) -> Rows:
    """Rows whose number is where they stand."""
    return [(place, *row[1:]) for place, row in enumerate(sorted(rows, key=lambda row: row[0]))]


_SELECTS: dict[str, Select[Any]] = {
    table.name: select(table) for table in t.METADATA.sorted_tables if table.name not in _NOT_KEPT
}


def snapshot(store: Store) -> Snapshot:
    """Every row of every table but the store's own notes, in an order that does not depend on it."""
    if isinstance(store, Model):
        return store.snapshot()
    assert isinstance(store, SqlStore)
    with store._read() as tx:
        rows = {name: tx.rows(statement) for name, statement in _SELECTS.items()}
    return {
        name: _numbered(iter(each)) if name in _NUMBERED else _sorted(each) for name, each in rows.items()
    }


def model_hub(directory: Path) -> Hub:
    """The reference."""
    clock = Clock()
    store = Model(clock)
    return Hub(lambda: store, store.kill, clock)


_files = count()


def file_hub(directory: Path) -> Hub:
    """An SQLite file; its disk is not asked to be sure, because nothing of it outlives the run."""
    return sqlite_hub(directory / f"{next(_files)}.db", synchronous="NORMAL")


STORES: dict[str, Callable[[Path], Hub]] = {"sqlite": file_hub}
"""What is compared with the reference."""
