"""Starts that other instances ask for: what is written, and what whoever asked hears.

The row of the new instance, its input and its first message are written in the commit that consumes the
message which asks. So an instance is there once, however often a worker dies on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine import outgoing, sealing
from perdure.engine.events import (
    Asker,
    ExecutionRewound,
    ExecutionStarted,
    ParentAttached,
    StartRequested,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
)
from perdure.engine.failure import CHILD, EXISTS, EXPRESSION, SCHEMA
from perdure.engine.header import instance_tags, start_due, with_place
from perdure.engine.hot import Writes
from perdure.engine.instance import Instance, Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.running import Input
from perdure.engine.store.rows import NO_VALUES, Checkpoint, Message
from perdure.engine.turning import payload_rows


class Asked(msgspec.Struct, frozen=True):
    """A start that was asked for, with the message that asks."""

    message: Message
    event: StartRequested


class Found(msgspec.Struct, frozen=True):
    """What the database has for a start: the instance of that id with its payloads, and the definition.

    Without a ``program`` that can be run, ``problem`` says why. ``values`` are what a chunk reads of its
    parent's.
    """

    present: Instance | None
    payloads: dict[str, str]
    version: str
    program: LinkedProgram | None
    problem: str = ""
    values: Mapping[str, str] = NO_VALUES


def admit(rest: Writes, asked: Asked, found: Found, now: int) -> Input | None:
    """Write what follows from a start; or return what an instance that runs already has to hear.

    The first message of a new instance is among the messages that are written.
    """
    event, present = asked.event, found.present
    if present is not None and present.execution == event.execution:
        # Only the answer that it is there can be missing; nothing starts twice.
        _done(rest, asked)
        return None
    if present is not None and event.again and present.status is not Status.CANCELED:
        return _go_on(rest, asked, found, present)
    if present is not None and event.if_exists == "reuse":
        return _reuse(rest, asked, found, present)
    replaces = present is not None and _may_replace(event, present)
    if present is not None and not replaces:
        message = f"instance {present.id!r} exists already ({present.status})"
        _refuse(rest, asked, EXISTS, message, {"instance_id": present.id, "status": str(present.status)}, now)
    elif found.program is None:
        _refuse(rest, asked, CHILD, found.problem, _nothing(asked), now)
    elif event.chunk is None and (problem := found.program.input_problem(event.input)) is not None:
        message = f"the input of {event.name!r} does not fit its schema: {problem}"
        _refuse(rest, asked, SCHEMA, message, None, now)
    else:
        _create(rest, asked, found, found.program, now, replaces=replaces)
    return None


def _may_replace(event: StartRequested, present: Instance) -> bool:
    """A further attempt takes the place of the one before it, which had the same id."""
    if not present.status.ended:
        return False
    parent = None if event.asker is None else event.asker.instance
    again = event.child and event.attempt > 1 and present.parent_id == parent
    return event.if_exists == "replace_ended" or event.again or again


def _go_on(rest: Writes, asked: Asked, found: Found, present: Instance) -> Input | None:
    """What an earlier execution of the asker has started: what failed of it is done again."""
    asker = asked.event.asker
    if asker is None or not asked.event.child or present.status not in {Status.FAILED, Status.TERMINATED}:
        return _reuse(rest, asked, found, present)
    return Input(
        event=ExecutionRewound(reason="its parent was rewound", parent=asker),
        execution=present.execution,
        message=asked.message,
        stored=True,
    )


def _reuse(rest: Writes, asked: Asked, found: Found, present: Instance) -> Input | None:
    asker = asked.event.asker
    if asker is None or not asked.event.child:
        _answer(rest, asked, _there(asked))
    elif not present.status.ended:
        return Input(event=ParentAttached(asker=asker), message=asked.message, stored=True)
    else:
        _answer(rest, asked, _outcome(asker, present, found.payloads))
    _done(rest, asked)
    return None


def _outcome(
    asker: Asker, present: Instance, payloads: dict[str, str]
) -> SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed:
    """How an instance has ended before anybody asked."""
    output, error = (_value(payloads, key) for key in ("output", "error"))
    return outgoing.outcome(asker, present, output, error, present.reason)


def _value(payloads: dict[str, str], key: str) -> Any:
    return msgspec.json.decode(payloads[key]) if key in payloads else None


def _create(
    rest: Writes, asked: Asked, found: Found, program: LinkedProgram, now: int, *, replaces: bool
) -> None:
    event, message, version = asked.event, asked.message, found.version
    parent = event.asker if event.child else None
    row = Instance(
        id=message.instance,
        slot=message.slot,
        name=program.program.name,
        version=version,
        digest=program.digest,
        status=Status.PENDING,
        execution=event.execution,
        created_at=now,
        updated_at=now,
        tags=event.tags,
        parent_id=None if parent is None else parent.instance,
        chunk_of=None if event.chunk is None else event.chunk.generation,
    )
    started = ExecutionStarted(
        execution=event.execution,
        name=row.name,
        version=version,
        digest=row.digest,
        generation=row.generation,
        key_seed=event.key_seed or event.execution,
        input=event.input,
        tags=event.tags,
        parent=parent,
        queue=event.queue,
        local=event.local,
        chunk=event.chunk,
    )
    try:
        tags = {} if event.chunk is not None else instance_tags(program, row.id, started, now)
    except EvalError as error:
        _refuse(rest, asked, EXPRESSION, error.message, _nothing(asked), now)
        return
    started = msgspec.structs.replace(started, tags=tags)
    try:
        instance = with_place(program, msgspec.structs.replace(row, tags=tags), started, now)
    except EvalError as error:
        _refuse(rest, asked, EXPRESSION, error.message, _nothing(asked), now)
        return
    rest.checkpoints.append(
        Checkpoint(
            id=instance.id,
            slot=instance.slot,
            execution=instance.execution,
            instance=instance,
            history=(),
            consumed=(message.id,),
            payloads=tuple(payload_rows(instance.id, "input", event.input)),
            replaces=replaces,
        )
    )
    first = outgoing.message(instance.id, started, f"{event.execution}/start", execution=event.execution)
    due = start_due(instance, event.due)
    rest.messages.append(msgspec.structs.replace(first, due=due, values=found.values))
    rest.settled.append(message.id)
    rest.changed.append(instance)
    if event.asker is not None and not event.child:
        _answer(rest, asked, _there(asked))


def _there(asked: Asked) -> SubOrchestrationInstanceCompleted:
    asker = asked.event.asker
    return SubOrchestrationInstanceCompleted(
        scheduled_seq=0 if asker is None else asker.seq, result=asked.message.instance
    )


def _nothing(asked: Asked) -> dict[str, Any]:
    return {"instance_id": asked.message.instance, "status": None}


def _refuse(rest: Writes, asked: Asked, error: str, message: str, data: Any, now: int) -> None:
    """Tell whoever asked. What nobody hears of is a dead letter, but for a start that has happened."""
    asker = asked.event.asker
    if asker is None and error != EXISTS:
        sealing.bury(rest, asked.message, f"{error}: {message}", now)
        return
    seq = 0 if asker is None else asker.seq
    _answer(
        rest,
        asked,
        SubOrchestrationInstanceFailed(scheduled_seq=seq, error=error, message=message, data=data),
    )
    _done(rest, asked)


def _answer(
    rest: Writes,
    asked: Asked,
    event: SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed,
) -> None:
    if asked.event.asker is not None:
        rest.messages.append(outgoing.answer(asked.event.asker, event))


def _done(rest: Writes, asked: Asked) -> None:
    """The message that asks has served its end."""
    rest.discard.append(asked.message.id)
    rest.settled.append(asked.message.id)
