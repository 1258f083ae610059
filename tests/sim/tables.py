"""What is committed, read from outside: the same rows of the same tables, whatever a store keeps them in.

A row is a dictionary by the columns of ``engine.store.tables``. Numbers that only order rows are left out
where stores may draw them differently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from perdure.engine.store import tables
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.records import from_instance, from_tags, from_worker

Row = dict[str, Any]
Dump = dict[str, list[Row]]

_NOT_SHOWN = frozenset(["meta", "alembic_version"])
TABLES = tuple(sorted(tables.METADATA.tables.keys() - _NOT_SHOWN))
COLUMNS = {
    name: tuple(column.name for column in table.columns if (name, column.name) != ("inbox", "ord"))
    for name, table in tables.METADATA.tables.items()
}
"""The columns that are shown of each table."""
ORDER = {"inbox": "ord", "slots": "id"}
"""What the rows of a table come sorted by; of another one by all that is shown."""


def query(name: str) -> str:
    """The SQL that reads a table, for a database."""
    columns = ", ".join(f'"{column}"' for column in COLUMNS[name])
    order = ORDER.get(name)
    return f"SELECT {columns} FROM {name}" + (f" ORDER BY {order}" if order else "")


def of_columns(name: str, found: Iterable[tuple[Any, ...]]) -> list[Row]:
    """Rows of a database that ``query`` has read."""
    return _sorted(name, (dict(zip(COLUMNS[name], row, strict=True)) for row in found))


def of_memory(store: MemoryStore, name: str) -> list[Row]:
    """Rows of the reference model."""
    return _sorted(name, _MEMORY[name](store))


def _sorted(name: str, rows: Iterable[Row]) -> list[Row]:
    if name == "workers":
        # How long the dead are remembered is left to a store.
        rows = (row for row in rows if row["state"] == "live")
    if name in ORDER:
        return list(rows)
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row.values()])


def _fields(name: str, records: Iterable[Any]) -> Iterator[Row]:
    return ({column: getattr(record, column) for column in COLUMNS[name]} for record in records)


_MEMORY: dict[str, Callable[[MemoryStore], Iterable[Row]]] = {
    "api_keys": lambda store: _fields("api_keys", store._api_keys.values()),
    "audit": lambda store: _fields("audit", store._audit.values()),
    "dead_letters": lambda store: _fields("dead_letters", store._dead_letters.values()),
    "definitions": lambda store: _fields("definitions", store._definitions.values()),
    "entities": lambda store: _fields("entities", store._entities.values()),
    "heartbeats": lambda store: (
        dict(zip(COLUMNS["heartbeats"], (*key, details), strict=True))
        for key, details in store._heartbeats.items()
    ),
    "history": lambda store: _fields(
        "history", (row for rows in store._history.values() for row in rows.values())
    ),
    "inbox": lambda store: _fields("inbox", (message for _, message in store._oldest())),
    "instance_tags": lambda store: from_tags(store._instances.values()),
    "instances": lambda store: map(from_instance, store._instances.values()),
    "payloads": lambda store: _fields("payloads", store._payloads.values()),
    "programs": lambda store: (
        {"digest": digest, "program": program} for digest, program in store._programs.items()
    ),
    "queues": lambda store: _fields("queues", store._queues.values()),
    "requests": lambda store: (
        {
            "route": row.route,
            "target": row.target,
            "key": row.key,
            "fingerprint": row.fingerprint,
            "answer": row.answer,
            "at": store._requests_at[key],
        }
        for key, row in store._requests.items()
    ),
    "schedules": lambda store: _fields("schedules", store._schedules.values()),
    "slots": lambda store: (
        {"id": slot, "owner": owner, "crashes": store._crashes[slot]} for slot, owner in store._slots.items()
    ),
    "subscriptions": lambda store: _fields("subscriptions", store._subscriptions.values()),
    "tasks": lambda store: _fields("tasks", store._tasks.values()),
    "timers": lambda store: _fields("timers", store._timers.values()),
    "workers": lambda store: map(from_worker, store._workers.values()),
}
assert _MEMORY.keys() == set(TABLES), "a table is new"
