"""What instances say to each other: messages that a turn sends, for the commit that writes it.

Ids are made from the sender's execution and the ``seq`` of what was decided, so one that is made twice is
the same one. Whatever answers goes to an execution, and another execution of the instance ignores it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from perdure.engine import keys
from perdure.engine.codec import decode_received, encode_received
from perdure.engine.entities import Done, Undone
from perdure.engine.events import (
    Asker,
    CancelSent,
    ChunkCanceled,
    ChunkStopped,
    Decided,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    EventRaised,
    EventSent,
    ExecutionCanceled,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    FanOutStopped,
    InstanceStarted,
    LockReleased,
    LockRequested,
    OperationRequested,
    StartRequested,
    SubOrchestrationCanceled,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    ToEntity,
    kind,
)
from perdure.engine.events import Message as Event
from perdure.engine.failure import CHILD
from perdure.engine.instance import Instance, Status, slot_of
from perdure.engine.machine import Machine
from perdure.engine.state import Question
from perdure.engine.store.rows import Message

NOT_NEEDED = "the fan-out that it is a chunk of needs it no more"
CLOSED = "the instance that had asked for it has ended"


def message(receiver: str, event: Event, message_id: str, *, execution: str | None = None) -> Message:
    """The row that carries an event to an instance."""
    return Message(
        id=message_id,
        instance=receiver,
        slot=slot_of(receiver),
        kind=kind(event),
        event=encode_received(event),
        execution=execution,
    )


def sent(instance: Instance, started: ExecutionStarted, seq: int, decision: Decided) -> Message | None:
    """The message that a decision is, if it is one."""
    execution = instance.execution
    asker = Asker(instance.id, execution, seq)
    name = f"{execution}/{seq}"
    match decision:
        case SubOrchestrationInstanceCreated():
            start = _start(started, asker, decision, child=True, attempt=decision.attempt)
            if decision.chunk is not None:
                digest, seed = started.digest, started.key_seed
                start = msgspec.structs.replace(start, chunk=decision.chunk, digest=digest, key_seed=seed)
            return message(decision.instance, start, f"{name}/start")
        case InstanceStarted():
            start = _start(started, asker, decision, due=decision.start_at)
            return message(decision.instance, start, f"{name}/start")
        case ChunkStopped(scheduled_seq=asked, instance=child):
            stop = FanOutStopped(parent=Asker(instance.id, execution, asked))
            return message(child, stop, f"{name}/stop")
        case ChunkCanceled(scheduled_seq=asked, instance=child):
            told = ExecutionCanceled(reason=NOT_NEEDED, parent=Asker(instance.id, execution, asked))
            return message(child, told, f"{name}/cancel")
        case SubOrchestrationCanceled(scheduled_seq=asked, instance=child, action=action):
            return close(Asker(instance.id, execution, asked), child, action)
        case EventSent(instance=receiver, name=event, input=value):
            return message(receiver, EventRaised(name=event, input=value), f"{name}/event")
        case EntityOperationCalled():
            called = OperationRequested(
                operation=decision.operation,
                input=decision.input,
                asker=asker,
                holder=_holder(instance, decision.lock),
            )
            return to_entity(decision.entity, called, f"{name}/call")
        case EntityOperationSignaled():
            signal = OperationRequested(
                operation=decision.operation, input=decision.input, holder=_holder(instance, decision.lock)
            )
            return to_entity(decision.entity, signal, f"{name}/signal", due=decision.at)
        case EntityLockRequested(entity=entity):
            return to_entity(entity, LockRequested(holder=asker), f"{name}/lock")
        case EntityUnlockSent(entity=entity, scheduled_seq=locked):
            return unlock(instance, locked, entity)
        case CancelSent(instance=receiver, reason=reason):
            return message(receiver, ExecutionCanceled(reason=reason), f"{name}/cancel")
        case _:
            return None


def said_again(
    instance: Instance, machine: Machine, seq: int, decision: Decided, *, known: bool, again: bool
) -> Message | None:
    """The message of a decision that a rerun has made, if one is to be sent.

    What is ``known`` was said by the execution before; only who was asked and has not answered is asked
    once more: ``again``, if it was for us, so that it goes on where it is.
    """
    if not known:
        return sent(instance, machine.started, seq, decision)
    if seq not in machine.state.questions:
        return None
    said = sent(instance, machine.started, seq, decision)
    if said is None or not (
        again and isinstance(decision, SubOrchestrationInstanceCreated | InstanceStarted)
    ):
        return said
    asked = msgspec.structs.replace(decode_received(said.event), again=True)
    return msgspec.structs.replace(said, event=encode_received(asked))


def _start(
    started: ExecutionStarted,
    asker: Asker,
    decision: SubOrchestrationInstanceCreated | InstanceStarted,
    **fields: Any,
) -> StartRequested:
    return StartRequested(
        name=decision.name,
        version=decision.version,
        execution=keys.child_execution(asker.execution, asker.seq),
        input=decision.input,
        tags=decision.tags,
        if_exists=decision.if_exists,
        asker=asker,
        queue=started.queue,
        local=started.local,
        **fields,
    )


def to_entity(entity: str, event: ToEntity, message_id: str, *, due: int = 0) -> Message:
    """The row that tells ``Type@key`` something, at a time if one is given."""
    row = message(f"@{entity}", event, message_id)
    return msgspec.structs.replace(row, due=due) if due else row


def _holder(instance: Instance, lock: int | None) -> Asker | None:
    return None if lock is None else Asker(instance.id, instance.execution, lock)


def unlock(instance: Instance, seq: int, entity: str) -> Message:
    """What gives back a lock that was asked for."""
    holder = Asker(instance.id, instance.execution, seq)
    return to_entity(entity, LockReleased(holder=holder), f"{instance.execution}/{seq}/unlock")


def unlocking(instance: Instance, locks: dict[int, str]) -> Iterator[Message]:
    """What gives back all locks that an instance holds or has asked for, when it ends at once."""
    return (unlock(instance, seq, entity) for seq, entity in locks.items())


def reply(
    asker: Asker, event: EntityOperationCompleted | EntityOperationFailed | EntityLockGranted
) -> Message:
    """The row of an entity's answer; there is one for each question, whoever gives it."""
    name = f"{asker.execution}/{asker.seq}/answer"
    return message(asker.instance, event, name, execution=asker.execution)


def operated(asker: Asker, outcome: Done | Undone) -> Message:
    """What an instance hears of the operation that it waits for."""
    if isinstance(outcome, Done):
        return reply(asker, EntityOperationCompleted(scheduled_seq=asker.seq, result=outcome.result))
    failed = EntityOperationFailed(
        scheduled_seq=asker.seq, error=outcome.error, message=outcome.message, data=outcome.data
    )
    return reply(asker, failed)


def of_operation(message_id: str, done: Done) -> Iterator[Message]:
    """The signals and starts that an operation asks for, named after the message that asked for it."""
    for number, signal in enumerate(done.signals):
        told = OperationRequested(operation=signal.operation, input=signal.input)
        name = f"{message_id}/signal/{number}"
        yield to_entity(f"{signal.type}@{signal.key}", told, name, due=max(signal.at or 0, 0))
    for number, launch in enumerate(done.launches):
        execution = keys.child_execution(message_id, number)
        start = StartRequested(name=launch.workflow, execution=execution, input=launch.input)
        yield message(launch.id or execution, start, f"{message_id}/start/{number}")


def close(asker: Asker, child: str, action: str) -> Message | None:
    """What a child hears when nobody waits for it any more; nothing when it is abandoned."""
    name = f"{asker.execution}/{asker.seq}/close"
    match action:
        case "terminate":
            return message(child, ExecutionTerminated(reason=CLOSED, parent=asker), name)
        case "cancel":
            return message(child, ExecutionCanceled(reason=CLOSED, parent=asker), name)
        case _:
            return None


def closing(instance: Instance, questions: dict[int, Question]) -> Iterator[Message]:
    """What is to be said to those whom an instance has asked, when it ends at once."""
    for seq, question in questions.items():
        told = close(Asker(instance.id, instance.execution, seq), question.instance, question.on_close)
        if told is not None:
            yield told


def passed_on(
    instance: Instance,
    seq: int,
    event: ExecutionSuspended | ExecutionResumed,
    questions: dict[int, Question],
) -> Iterator[Message]:
    """What makes the children of an instance rest, or go on, as it does itself."""
    for asked, question in questions.items():
        if question.on_close in ("terminate", "cancel"):
            parent = Asker(instance.id, instance.execution, asked)
            told = type(event)(reason=event.reason, parent=parent)
            yield message(question.instance, told, f"{instance.execution}/{seq}/to/{asked}")


def ended(
    instance: Instance, askers: list[Asker], output: Any, error: Any, reason: str | None
) -> Iterator[Message]:
    """The answers of an instance that has ended to everybody who waits for that."""
    for asker in askers:
        yield answer(asker, outcome(asker, instance, output, error, reason))


def answer(
    asker: Asker, event: SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed
) -> Message:
    """The row of an answer; there is one for each question, whoever gives it."""
    name = f"{asker.execution}/{asker.seq}/answer"
    return message(asker.instance, event, name, execution=asker.execution)


def outcome(
    asker: Asker, instance: Instance, output: Any, error: Any, reason: str | None
) -> SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed:
    """How an instance has ended, as who waits for it hears it."""
    if instance.status is Status.COMPLETED:
        return SubOrchestrationInstanceCompleted(scheduled_seq=asker.seq, result=output)
    said = reason if error is None else error.get("message")
    return SubOrchestrationInstanceFailed(
        scheduled_seq=asker.seq,
        error=CHILD,
        message=f"instance {instance.id!r} of {instance.name!r} ended {instance.status}"
        + (f": {said}" if said else ""),
        data={"instance_id": instance.id, "status": str(instance.status)},
        cause=error,
    )
