"""Instances, events and definitions as documents: what the API answers and the command line prints.

Times are RFC 3339 in UTC, absent values null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from perdure.engine.codec import whole_events
from perdure.engine.errors import UserError
from perdure.engine.events import Asker, Chunk, Event, ExecutionCanceled, Resume, TimerCreated, kind
from perdure.engine.instance import Instance
from perdure.engine.store.rows import Definition, HistoryRow, Worker

SHOWN = 64 << 10
"""Characters of a large value's JSON that a history shows in place."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(1024)  # What one commit writes has the same times.
def time_text(microseconds: int | None) -> str | None:
    """RFC 3339 in UTC, to the microsecond."""
    if microseconds is None:
        return None
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time. Raises ``UserError``."""
    try:
        moment: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        error = UserError(f"{text!r} is no time", hint="write it like 2030-01-31T12:00:00Z")
        error.code = "invalid_time"
        raise error
    return (moment - _EPOCH) // timedelta(microseconds=1)


def instance_row(instance: Instance) -> dict[str, Any]:
    """The document of an instance without its payloads."""
    return {**_what(instance), **_how(instance)}


def _what(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "workflow": instance.name,
        "version": instance.version,
        "digest": instance.digest,
        "status": instance.status.value,
        "reason": instance.reason,
    }


def _how(instance: Instance) -> dict[str, Any]:
    custom = instance.custom_status
    return {
        "custom_status": None if custom is None else msgspec.json.decode(custom),
        "tags": instance.tags,
        "generation": instance.generation,
        "parent_id": instance.parent_id,
        "created_at": time_text(instance.created_at),
        "started_at": time_text(instance.started_at),
        "updated_at": time_text(instance.updated_at),
        "ended_at": time_text(instance.ended_at),
    }


def instance_view(instance: Instance, payloads: Mapping[str, str]) -> dict[str, Any]:
    """The whole document of an instance."""
    values = {
        key: msgspec.json.decode(payloads[key]) if key in payloads else None
        for key in ("input", "output", "error")
    }
    return {**_what(instance), **values, **_how(instance)}


def row_views(row: HistoryRow) -> list[dict[str, Any]]:
    """Events of one turn, with values up to ``SHOWN`` bytes; of larger ones the keys, in ``stored``."""
    shown = {key: text for key, text in row.values.items() if len(text) <= SHOWN}
    return event_views(row.first_seq, row.at, whole_events(row.events, shown, lenient=True))


def event_views(first_seq: int, at: int, events: Iterable[Event]) -> list[dict[str, Any]]:
    """Events of one turn: ``seq``, ``at``, ``type``, then what is theirs alone."""
    text = time_text(at)
    return [
        {"seq": seq, "at": text, "type": kind(event)} | _fields(event)
        for seq, event in enumerate(events, first_seq)
    ]


def _fields(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "stored"}
    if event.stored is not None:
        fields["stored"] = event.stored
    if isinstance(event, TimerCreated):
        fields["fire_at"] = time_text(event.fire_at)
    for name, value in fields.items():
        if isinstance(value, Asker | Chunk | ExecutionCanceled | Resume):
            fields[name] = msgspec.to_builtins(value)
    if "others" in fields:
        fields["others"] = [msgspec.to_builtins(each) for each in fields["others"]]
    if "carried" in fields and not isinstance(fields["carried"], int):
        fields["carried"] = [
            {"name": each.name, "input": each.input} | ({"stored": each.stored} if each.stored else {})
            for each in fields["carried"]
        ]
    return fields


def definition_view(definition: Definition) -> dict[str, Any]:
    """The document of a definition without its source."""
    return {
        "name": definition.name,
        "version": definition.version,
        "digest": definition.digest,
        "program_digest": definition.program,
        "active": definition.active,
        "retired": definition.retired,
        "created_at": time_text(definition.created_at),
    }


def worker_view(worker: Worker) -> dict[str, Any]:
    """The document of a worker."""
    return {
        "id": worker.id,
        "host": worker.host,
        "turns": worker.turns,
        "reserve": worker.reserve,
        "draining": worker.draining,
        "activities": list(worker.activities),
        "queues": list(worker.queues),
        "lease_until": time_text(worker.lease_until),
        "joined_at": time_text(worker.joined_at),
    }
