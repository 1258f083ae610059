"""Rows of the database to records, and back where a column is not a field as it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Table

from perdure.engine.instance import Instance, Status
from perdure.engine.store import tables as t
from perdure.engine.store.rows import (
    AuditEntry,
    DeadLetter,
    Definition,
    HistoryRow,
    Message,
    QueueRow,
    Request,
    TaskRow,
    TimerRow,
    Worker,
)

Tuple = tuple[Any, ...]
_Record = TypeVar("_Record", bound=msgspec.Struct)


def _reader(type_: type[_Record], table: Table, *without: str) -> Callable[[Tuple], _Record]:
    """A function from a row of the table's columns, in order, to a record with fields of those names."""
    names = [column.name for column in table.columns if column.name not in without]
    return lambda row: type_(**dict(zip(names, row, strict=True)))


to_history = _reader(HistoryRow, t.history)
to_timer = _reader(TimerRow, t.timers)
to_task = _reader(TaskRow, t.tasks)
to_queue = _reader(QueueRow, t.queues)
to_request = _reader(Request, t.requests, "at")
to_dead_letter = _reader(DeadLetter, t.dead_letters)
to_audit = _reader(AuditEntry, t.audit)
to_message = _reader(Message, t.inbox, "ord", "held")

_raw_instance = [column.name for column in t.instances.columns]
_raw_definition = [column.name for column in t.definitions.columns]
_raw_worker = [column.name for column in t.workers.columns]


def to_instance(row: Tuple) -> Instance:
    """An instance from all columns of its table."""
    values = dict(zip(_raw_instance, row, strict=True))
    values["status"] = Status(values["status"])
    values["tags"] = msgspec.json.decode(values["tags"]) if values["tags"] != "{}" else {}
    values["waits"] = bool(values["waits"])
    return Instance(**values)


def from_instance(instance: Instance) -> dict[str, Any]:
    """The columns of an instance."""
    return {
        "id": instance.id,
        "slot": instance.slot,
        "name": instance.name,
        "version": instance.version,
        "digest": instance.digest,
        "status": instance.status.value,
        "execution": instance.execution,
        "generation": instance.generation,
        "created_at": instance.created_at,
        "started_at": instance.started_at,
        "updated_at": instance.updated_at,
        "ended_at": instance.ended_at,
        "reason": instance.reason,
        "custom_status": instance.custom_status,
        "tags": msgspec.json.encode(instance.tags).decode() if instance.tags else "{}",
        "parent_id": instance.parent_id,
        "chunk_of": instance.chunk_of,
        "suspect": instance.suspect,
        "purge_at": instance.purge_at,
        "concurrency_key": instance.concurrency_key,
        "concurrency_limit": instance.concurrency_limit,
        "waits": int(instance.waits),
    }


def from_tags(instances: Iterable[Instance]) -> list[dict[str, str]]:
    """The rows of their tags."""
    return [
        {"instance": instance.id, "tag": tag, "value": value}
        for instance in instances
        for tag, value in instance.tags.items()
    ]


def to_definition(row: Tuple) -> Definition:
    """A definition from all columns of its table."""
    values = dict(zip(_raw_definition, row, strict=True))
    return Definition(**{**values, "active": bool(values["active"]), "retired": bool(values["retired"])})


def to_worker(row: Tuple) -> Worker:
    """A worker from all columns of its table."""
    values = dict(zip(_raw_worker, row, strict=True))
    for name in ("turns", "reserve", "draining"):
        values[name] = bool(values[name])
    for name in ("activities", "queues"):
        values[name] = tuple(msgspec.json.decode(values[name]))
    return Worker(**values)


def from_worker(worker: Worker) -> dict[str, Any]:
    """The columns of a worker."""
    values = msgspec.structs.asdict(worker)
    lists = {name: msgspec.json.encode(values[name]).decode() for name in ("activities", "queues")}
    return {**values, **lists}
