"""How waits end: by a result, a timer, an event, or because nobody waits any more."""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, assert_never

from perdure.compiler import ir
from perdure.compiler.runtime import EvalError
from perdure.engine import chunks, correlation, endings, locks, scopes
from perdure.engine.events import (
    EntityOperationCompleted,
    EntityOperationFailed,
    EventRaised,
    SubOrchestrationCanceled,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCanceled,
    TaskCompleted,
    TaskFailed,
)
from perdure.engine.failure import TIMEOUT, Failure
from perdure.engine.state import Bound, EventWait, Fiber, LockWait, ReplyWait, TaskWait, TimerWait

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


def task_answered(machine: Machine, event: TaskCompleted | TaskFailed) -> None:
    """The first answer to an open task; a later one changes nothing."""
    fiber_id = machine.state.tasks.pop(event.scheduled_seq, None)
    if fiber_id is None:
        return
    fiber = machine.state.fibers[fiber_id]
    if isinstance(event, TaskCompleted):
        fiber.frame[machine.op(fiber).slot] = event.result
        machine.resume(fiber)
        return
    op = machine.op(fiber)
    failure = machine.failure(fiber, event.error, event.message, event.data)
    failure.retryable = event.retryable
    failure.retry_after = event.retry_after
    failure.activity = op.activity
    failure.attempt = attempt(fiber)
    machine.resume(fiber, machine.declared(failure))


def answered(
    machine: Machine, event: SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed
) -> None:
    """The first answer of an instance that was asked; a later one changes nothing."""
    question = machine.state.questions.pop(event.scheduled_seq, None)
    if question is None:
        return
    fiber = machine.state.fibers[question.fiber]
    if machine.op(fiber).kind is ir.FanOut:
        chunks.answered(machine, fiber, event)
        return
    if isinstance(event, SubOrchestrationInstanceCompleted):
        fiber.frame[machine.op(fiber).slot] = event.result
        machine.resume(fiber)
        return
    failure = machine.failure(fiber, event.error, event.message, event.data)
    failure.cause, failure.retryable, failure.attempt = event.cause, event.retryable, attempt(fiber)
    machine.resume(fiber, failure)


def operation_answered(machine: Machine, event: EntityOperationCompleted | EntityOperationFailed) -> None:
    """The first answer of an entity that was called; a later one changes nothing."""
    question = machine.state.questions.pop(event.scheduled_seq, None)
    if question is None:
        return
    fiber = machine.state.fibers[question.fiber]
    if isinstance(event, EntityOperationCompleted):
        fiber.frame[machine.op(fiber).slot] = event.result
        machine.resume(fiber)
        return
    failure = machine.failure(fiber, event.error, event.message, event.data)
    failure.attempt = attempt(fiber)
    machine.resume(fiber, machine.declared(failure))


def attempt(fiber: Fiber) -> int:
    """Which try of its step an instruction belongs to: that of the scope right around it."""
    scope = fiber.scopes[-1] if fiber.scopes else None
    return scope.attempt if isinstance(scope, Bound) else 1


def timer_fired(machine: Machine, seq: int) -> None:
    """A timer that still runs is due; a canceled one changes nothing."""
    use = machine.state.timers.pop(seq, None)
    if use is None:
        return
    fiber = machine.state.fibers[use.fiber]
    match use.purpose:
        case "workflow":
            endings.time_is_over(machine)
        case "wait":
            machine.resume(fiber)
        case "retry":
            scopes.start_attempt(machine, fiber)
            machine.resume(fiber)
        case "event":
            _event_timed_out(machine, fiber)
        case "lock":
            locks.timed_out(machine, fiber)
        case "timeout" | "deadline":
            scope = fiber.scopes[use.depth]
            assert isinstance(scope, Bound), "only Bound scopes have time limits"
            scope.expired = use.purpose
            setattr(scope, use.purpose, None)
            machine.cancel(fiber)
        case _:
            assert_never(use.purpose)


def _event_timed_out(machine: Machine, fiber: Fiber) -> None:
    op, wait = machine.op(fiber), fiber.wait
    assert isinstance(wait, EventWait), "an event timer belongs to an event wait"
    machine.state.waiting[wait.event].remove(fiber.id)
    correlation.unsubscribe(machine, wait)
    if op.on_timeout is not None:
        fiber.frame[op.result_slot] = wait.received
        fiber.pc = op.on_timeout
        machine.resume(fiber)
        return
    data = wait.received if op.listed else None
    message = f"no event {wait.event} arrived in time"
    machine.resume(fiber, machine.failure(fiber, TIMEOUT, message, data))


def event_raised(machine: Machine, event: EventRaised) -> None:
    """A new event for those who wait."""
    machine.state.heard += 1
    _offer(machine, event, machine.state.heard - 1)


def _offer(machine: Machine, event: EventRaised, age: int) -> None:
    """Of the waits that accept the event, the one that was reached first gets it; without one it is kept.

    What was sent by its content is for waits that correlate, and for nobody who waits later.
    """
    waiting = machine.state.waiting.get(event.name, ())
    fiber = next((each for each in waiting if _accepts(machine, each, event)), None)
    if fiber is None:
        if not event.correlated:
            keep(machine, event, age)
    else:
        _give(machine, machine.state.fibers[fiber], event, age)
    if event.correlated:
        correlation.passed_by(machine, event.name)


def _accepts(machine: Machine, fiber_id: int, event: EventRaised) -> bool:
    fiber = machine.state.fibers[fiber_id]
    if event.correlated and machine.op(fiber).correlate is None:
        return False
    return correlation.accepts(machine, fiber, event.input)


def _give(machine: Machine, fiber: Fiber, event: EventRaised, age: int) -> None:
    wait = fiber.wait
    assert isinstance(wait, EventWait), "who is in the queue of an event waits for it"
    machine.focus(fiber)
    try:
        complete, failure = take(machine, fiber, wait, event, age), None
    except EvalError as error:
        complete, failure = True, machine.expression_failure(fiber, error)
    if complete:
        machine.state.waiting[wait.event].remove(fiber.id)
        correlation.unsubscribe(machine, wait)
        machine.cancel_timer(wait.timer)
        machine.resume(fiber, failure)


def keep(machine: Machine, event: EventRaised, age: int) -> None:
    """Put an event behind what is in the buffer and older."""
    state = machine.state
    place = bisect(state.ages, age)
    state.ages.insert(place, age)
    state.buffer.insert(place, event)


def hand_out(machine: Machine) -> None:
    """Give what canceled waits gave back to those who wait for it."""
    state = machine.state
    came = list(zip(state.buffer, state.ages, strict=True))
    state.buffer, state.ages = [], []
    for event, age in came:
        _offer(machine, event, age)


def take(machine: Machine, fiber: Fiber, wait: EventWait, event: EventRaised, age: int) -> bool:
    """Give an event to a wait; returns whether it has all it waits for, with the value assigned."""
    op = machine.op(fiber)
    payload = machine.program.payload_value(wait.event, event.input)
    if not op.listed:
        fiber.frame[op.slot] = payload
        return True
    wait.received.append(payload)
    wait.taken.append((age, event.correlated))
    fiber.frame[op.event_slot] = payload
    complete = len(wait.received) == wait.needed
    if op.until is not None:
        complete = op.until(fiber.frame, machine.env) or complete
    if complete:
        fiber.frame[op.slot] = wait.received
    return complete


def withdraw(machine: Machine, fiber: Fiber) -> None:
    """Nobody waits any more: tell whoever works for it, and leave no trace."""
    match fiber.wait:
        case TaskWait(seq=seq):
            del machine.state.tasks[seq]
            if not machine.answered(seq):
                machine.decide(TaskCanceled(scheduled_seq=seq))
        case TimerWait(seq=seq):
            machine.cancel_timer(seq)
        case ReplyWait(seq=seq):
            question = machine.state.questions.pop(seq)
            if not machine.answered(seq) and question.on_close:
                machine.decide(
                    SubOrchestrationCanceled(
                        scheduled_seq=seq, instance=question.instance, action=question.on_close
                    )
                )
        case LockWait() as wait:
            locks.withdraw(machine, fiber, wait)
        case EventWait(event=event, timer=timer, received=received) as wait:
            machine.state.waiting[event].remove(fiber.id)
            correlation.unsubscribe(machine, wait)
            machine.cancel_timer(timer)
            for payload, (age, correlated) in zip(received, wait.taken, strict=True):
                keep(machine, EventRaised(name=event, input=payload, correlated=correlated), age)
            machine.given_back |= bool(received)
        case _:
            raise AssertionError("branches are canceled one by one")


def timed_out(machine: Machine, fiber: Fiber, pc: int, what: str, attempts: int) -> Failure:
    """The error of a step whose scope was opened at ``pc`` and whose time has passed."""
    info = machine.program.ops[pc].step
    step = machine.program.program.steps[info]
    return Failure(
        type=TIMEOUT,
        message=f"{step.name or step.static_path} passed its {what}",
        step=step.name,
        path=machine.path(fiber, info),
        attempt=attempts,
    )
