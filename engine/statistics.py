"""What an instance's history is made of: events, bytes, attempts and time a step, against its limit."""

from __future__ import annotations

import re
from typing import Any

from perdure.engine.codec import decode_events, encode_events
from perdure.engine.events import DECIDED, Event, TaskScheduled
from perdure.engine.instance import Instance
from perdure.engine.programs import Programs
from perdure.engine.store.protocol import Store

_ITEM_KEYS = re.compile(r"\[[^\]]*\]")
_NONE = ""
"""The path of what belongs to no step: the beginning, events that nobody took, the end."""
PAGE = 1000


def statistics(store: Store, instance: Instance, programs: Programs) -> dict[str, Any]:
    """The present generation by steps, in the order of their first events."""
    program = programs.all([instance.digest])[instance.digest]
    steps: dict[str, dict[str, Any]] = {}
    paths: dict[int, str] = {}
    asked: dict[int, int] = {}
    total = size = after = turns = 0
    while rows := store.history(instance.id, instance.generation, after, PAGE):
        for row in rows:
            turns += 1
            size += len(row.events.encode())
            for seq, event in enumerate(decode_events(row.events), row.first_seq):
                path = paths[seq] = step_path(event, paths)
                step = steps.setdefault(path, {"events": 0, "bytes": 0, "attempts": 0, "time": 0})
                step["events"] += 1
                step["bytes"] += len(encode_events([event]).encode()) - 2
                step["attempts"] += isinstance(event, TaskScheduled)
                step["time"] += _taken(event, seq, row.at, asked)
                total += 1
            after = row.next_seq
    known = {} if isinstance(program, str) else program.steps
    limits = None if isinstance(program, str) else program.program.limits
    items = []
    for path, counts in steps.items():
        found = known.get(path)
        place = {"step": None, "line": None} if found is None else {"step": found.name, "line": found.line}
        seconds = counts.pop("time") / 1_000_000
        items.append({"path": path, **place, **counts, "seconds": seconds})
    return {
        "id": instance.id,
        "generation": instance.generation,
        "turns": turns,
        "events": total,
        "bytes": size,
        "limit": None if limits is None else limits.history_events,
        "steps": items,
    }


def _taken(event: Event, seq: int, at: int, asked: dict[int, int]) -> int:
    """Microseconds from a decision to its answer, if it is one; a decision is noted in ``asked``."""
    if isinstance(event, DECIDED):
        asked[seq] = at
        return 0
    since = asked.pop(getattr(event, "scheduled_seq", -1), None)
    return 0 if since is None else max(at - since, 0)


def step_path(event: Event, paths: dict[int, str]) -> str:
    """The step that an event belongs to, without keys of items; what answers belongs where was asked."""
    path = getattr(event, "path", None)
    if isinstance(path, str):
        return _ITEM_KEYS.sub("[]", path)
    return paths.get(getattr(event, "scheduled_seq", -1), _NONE)
