"""What an instance's history is made of: events, bytes, attempts and time a step, and which step failed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from perdure.compiler.ir import Step
from perdure.engine.codec import decode_events, encode_events
from perdure.engine.events import (
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    SubOrchestrationInstanceCreated,
    TaskScheduled,
    TimerCreated,
)
from perdure.engine.instance import Instance
from perdure.engine.programs import Programs
from perdure.engine.store.protocol import Store

_ITEM_KEYS = re.compile(r"\[[^\]]*\]")
_NONE = ""
"""The path of what belongs to no step: the beginning, events that nobody took, the end."""
PAGE = 1000

_ENDED_BY_AN_EVENT = (TaskScheduled, TimerCreated, SubOrchestrationInstanceCreated, EntityLockRequested)
"""What is under way until an event says otherwise."""
_ASKED = (*_ENDED_BY_AN_EVENT, EntityOperationCalled)
"""What is answered; nobody writes down that an entity is waited for no longer."""


def statistics(store: Store, instance: Instance, error: str | None, programs: Programs) -> dict[str, Any]:
    """The present generation by steps, in the order of their first events.

    ``error`` is the JSON of the instance's error; the step that it comes from is there even if it has none.
    """
    program = programs.all([instance.digest])[instance.digest]
    steps: dict[str, dict[str, Any]] = {}
    paths: dict[int, str] = {}
    asked: dict[int, tuple[Event, int]] = {}
    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    total = size = after = turns = 0
    while rows := store.history(instance.id, instance.generation, after, PAGE):
        for row in rows:
            turns += 1
            size += len(row.events.encode())
            for seq, event in enumerate(decode_events(row.events), row.first_seq):
                path = paths[seq] = step_path(event, paths)
                step = steps.setdefault(path, {"events": 0, "bytes": 0, "attempts": 0})
                step["events"] += 1
                step["bytes"] += len(encode_events([event]).encode()) - 2
                step["attempts"] += isinstance(event, TaskScheduled)
                if isinstance(event, _ASKED):
                    asked[seq] = event, row.at
                elif (before := asked.pop(getattr(event, "scheduled_seq", -1), None)) is not None:
                    spans[path].append((before[1], row.at))
                total += 1
            after = row.next_seq
    until = store.time() if instance.ended_at is None else instance.ended_at
    for seq, (event, at) in asked.items():
        if isinstance(event, _ENDED_BY_AN_EVENT):
            spans[paths[seq]].append((at, until))
    known = {} if isinstance(program, str) else program.steps
    failed = _failed(error, known)
    if failed is not None:
        steps.setdefault(failed, {"events": 0, "bytes": 0, "attempts": 0})
    limits = None if isinstance(program, str) else program.program.limits
    items = []
    for path, counts in steps.items():
        found = known.get(path)
        place = {"step": None, "line": None} if found is None else {"step": found.name, "line": found.line}
        items.append({"path": path, **place, **counts, "seconds": _length(spans[path]) / 1_000_000})
    return {
        "id": instance.id,
        "generation": instance.generation,
        "turns": turns,
        "events": total,
        "bytes": size,
        "limit": None if limits is None else limits.history_events,
        "steps": items,
        "failed": None
        if isinstance(program, str) or failed is None
        else _place(program.program.file, known[failed]),
    }


def _failed(error: str | None, known: Mapping[str, Step]) -> str | None:
    """The path of the step that an error comes from, without keys of items."""
    found = None if error is None else msgspec.json.decode(error)
    path = found.get("path") if isinstance(found, dict) else None
    static = _ITEM_KEYS.sub("[]", path) if isinstance(path, str) else None
    return static if static in known else None


def _place(file: str, step: Step) -> dict[str, Any]:
    return {
        "path": step.static_path,
        "step": step.name,
        "file": file,
        "line": step.line,
        "column": step.column,
    }


def _length(spans: list[tuple[int, int]]) -> int:
    """Microseconds in which at least one of them was under way."""
    length = end = 0
    for begun, ended in sorted(spans):
        length += max(ended - max(begun, end), 0)
        end = max(end, ended)
    return length


def step_path(event: Event, paths: dict[int, str]) -> str:
    """The step that an event belongs to, without keys of items; what answers belongs where was asked."""
    path = getattr(event, "path", None)
    if isinstance(path, str):
        return _ITEM_KEYS.sub("[]", path)
    return paths.get(getattr(event, "scheduled_seq", -1), _NONE)
