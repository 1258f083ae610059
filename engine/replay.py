"""A history folded through the machine that is to continue it, and the proof that the two agree.

Every event that was received is given to the machine again; every decision it makes is compared with
the one recorded there. The first difference raises ``NonDeterminismError``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

import msgspec

from perdure.engine.codec import Values, whole_events
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import (
    CancelSent,
    ChunkCanceled,
    ChunkStopped,
    ContinueAsNew,
    Decided,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventSent,
    ExecutionCompleted,
    ExecutionTerminated,
    FanOutSplit,
    InstanceStarted,
    SubOrchestrationCanceled,
    SubOrchestrationInstanceCreated,
    TaskCanceled,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    is_decided,
    kind,
)
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.store.rows import HistoryRow
from perdure.engine.views import time_text


def replay(program: LinkedProgram, instance_id: str, rows: Iterable[HistoryRow]) -> Machine:
    """The machine as the history leaves it.

    Raises ``NonDeterminismError`` when the Program does not decide what the history says, and for a
    history with a gap (which only a fault of ours or another hand in the database can make).
    """
    machine = Machine(program, instance_id)
    next_seq = 0
    known = Values()
    for row in rows:
        if row.first_seq != next_seq:
            raise NonDeterminismError(f"the history has no event {next_seq}: it goes on at {row.first_seq}")
        _replay_turn(machine, row, _events(row, known))
        next_seq = row.next_seq
    return machine


def _events(row: HistoryRow, known: Values) -> list[Event]:
    try:
        return whole_events(row.events, row.values, known)
    except msgspec.MsgspecError as error:
        raise NonDeterminismError(f"event {row.first_seq} and after cannot be read: {error}") from error


def _replay_turn(machine: Machine, row: HistoryRow, events: list[Event]) -> None:
    decided: list[Decided] = []
    for seq, event in enumerate(events, row.first_seq):
        if is_decided(event):
            actual = decided.pop(0) if decided else None
            if actual != event:
                raise _divergence(machine, seq, event, actual)
        elif decided:
            raise _divergence(machine, seq, None, decided[0])
        elif not isinstance(event, ExecutionTerminated):
            decided = list(_step(machine, event, seq, row.at))
    if decided:
        raise _divergence(machine, row.next_seq, None, decided[0])


def _step(machine: Machine, event: Event, seq: int, at: int) -> list[Decided]:
    try:
        return machine.step(event, seq, at)  # type: ignore[arg-type]
    except Exception as error:
        # A foreign Program may not even have the instruction that a fiber is said to wait in.
        raise NonDeterminismError(f"event {seq} ({kind(event)}): the program cannot take it") from error


def _divergence(
    machine: Machine, seq: int, expected: Decided | None, actual: Decided | None
) -> NonDeterminismError:
    shown = expected if expected is not None else actual
    assert shown is not None, "a difference has two sides"
    where = _place(machine, actual if _path(actual) else expected)
    return NonDeterminismError(
        f"non_determinism: event {seq}{where}: "
        f"expected {_described(expected)}, program decides {_described(actual)}{_finer(expected, actual)}"
    )


def _finer(expected: Decided | None, actual: Decided | None) -> str:
    """What is different where both sides are described by the same words; values may be private."""
    if expected is None or actual is None or _described(expected) != _described(actual):
        return ""
    if type(expected) is not type(actual):
        return f" ({kind(actual)}, not {kind(expected)})"
    if _path(expected) != _path(actual):
        return f" (at {_path(actual)}, not at {_path(expected)})"
    names = expected.__struct_fields__
    return (
        f" (another {', '.join(each for each in names if getattr(expected, each) != getattr(actual, each))})"
    )


def _path(decision: Decided | None) -> str | None:
    return getattr(decision, "path", None)


def _place(machine: Machine, decision: Decided | None) -> str:
    """`` step 'charge' (order.yaml:9:5)``, as far as it is known."""
    path = _path(decision)
    step = None if path is None else machine.program.step_at(path)
    if step is None:
        return "" if path is None else f" at {path}"
    name = step.name or step.static_path
    return f" step '{name}' ({machine.program.program.file}:{step.line}:{step.column})"


def _moment(microseconds: int) -> str:
    """The time as people read it; another hand in the database may have written one that is none."""
    try:
        return str(time_text(microseconds))
    except OverflowError:
        return str(microseconds)


def _described(decision: Decided | None) -> str:
    match decision:
        case None:
            return "nothing"
        case TaskScheduled(name=name, attempt=attempt):
            return f"call {name}" if attempt == 1 else f"call {name} (attempt {attempt})"
        case TimerCreated(purpose=purpose, fire_at=fire_at, path=path):
            return f"timer for {purpose} of {path} at {_moment(fire_at)}"
        case TaskCanceled(scheduled_seq=seq) | TimerCanceled(scheduled_seq=seq):
            return f"{kind(decision)} of {seq}"
        case FanOutSplit(total=total, size=size):
            return f"fan_out over {total} items in chunks of {size}"
        case ChunkStopped(instance=instance) | ChunkCanceled(instance=instance):
            return f"{kind(decision)} {instance}"
        case SubOrchestrationInstanceCreated(name=name, instance=instance):
            return f"call_workflow {name} ({instance})"
        case SubOrchestrationCanceled(instance=instance, action=action):
            return f"{action} {instance}"
        case InstanceStarted(name=name, instance=instance):
            return f"start_workflow {name} ({instance})"
        case EventSent(name=name, instance=instance):
            return f"send_event {name} to {instance}"
        case CancelSent(instance=instance):
            return f"cancel {instance}"
        case EntityOperationCalled(entity=entity, operation=operation):
            return f"call_entity {entity} {operation}"
        case EntityOperationSignaled(entity=entity, operation=operation):
            return f"signal_entity {entity} {operation}"
        case EntityLockRequested(entity=entity):
            return f"lock of {entity}"
        case EntityUnlockSent(entity=entity):
            return f"unlock of {entity}"
        case ContinueAsNew(version=version):
            return f"continue_as_new ({version})"
        case ExecutionCompleted(status=status):
            return f"end {status}"
        case _:
            assert_never(decision)
