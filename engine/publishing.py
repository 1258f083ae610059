"""Events without an instance's id: they find who waits for them by what is in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine.codec import encode_received
from perdure.engine.correlation import key_of
from perdure.engine.errors import NotFound, UserError
from perdure.engine.events import EventRaised
from perdure.engine.ids import ordered_id
from perdure.engine.programs import Programs
from perdure.engine.requests import check_same
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Publication, Request


def publish(store: Store, programs: Programs, name: str, payload: Any, request: Request | None) -> list[str]:
    """Deliver an event to every instance that waits for it now; returns their ids.

    With a ``request`` it may be repeated: the first one's ids are returned. Raises ``NotFound`` when nobody
    waits for it, ``UserError`` for a payload that fits no schema of those who wait for its name,
    ``UnknownProgram`` when one of them runs what this release cannot.
    """
    problems, to = [], []
    environment = SimpleNamespace(now_us=store.time(), uuid=_no_uuid)
    for digest, op in store.waited(name):
        program = programs.get(digest)
        problem = program.event_problem(name, payload)
        if problem is not None:
            problems.append(f"{program.program.name}@{program.program.version}: {problem}")
            continue
        wait = program.ops[op]
        try:
            value = program.payload_value(name, payload)
            key = wait.correlate.event_key({wait.event_slot: value}, environment)
        except EvalError:
            continue  # It has not what this wait asks for.
        to.append((digest, op, key_of(key)))
    event = encode_received(EventRaised(name=name, input=payload, correlated=True))
    publication = Publication(id=ordered_id(), name=name, event=event, to=tuple(to))
    earlier, ids = store.publish(publication, request)
    if earlier is not None and request is not None:
        check_same(request, earlier)
        return msgspec.json.decode(earlier.answer, type=list[str])
    if not ids and problems and not to:
        error = UserError(f"the payload of event {name!r} does not fit its schema: {problems[0]}")
        error.code = "schema"
        raise error
    if not ids:
        raise NotFound(
            f"nobody waits for an event {name!r} of this content",
            hint="an event without an instance's id is for who waits already; it is not kept",
        )
    return list(ids)


def _no_uuid(label: str) -> NoReturn:
    """An event has no step whose id it could be."""
    raise EvalError("unsupported", "uuid() is of the instance, not of the event")
