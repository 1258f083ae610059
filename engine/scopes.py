"""Leaving scopes: retry, time limits, ``catch`` and ``finally``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.compiler.runtime import EvalError
from perdure.engine import keys, locks, sagas, waits
from perdure.engine.failure import CANCELED, Failure, matches, with_undone
from perdure.engine.retry import MAX_DELAY, backoff
from perdure.engine.state import (
    Bound,
    Completion,
    Failed,
    Fiber,
    Left,
    Lock,
    Saga,
    TimerUse,
    TimerWait,
    Try,
)

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


def canceled(fiber: Fiber, height: int) -> bool:
    """Whether what is inside the lowest ``height`` scopes is canceled: by a limit of one, or by its group.

    A ``finally``, a clause for a cancellation or a compensation that is at work in one of them comes first.
    """
    for scope in reversed(fiber.scopes[:height]):
        if isinstance(scope, Try | Saga) and scope.shields:
            return False
        if isinstance(scope, Bound) and scope.expired is not None:
            return True
    return fiber.canceled


def unwind(machine: Machine, fiber: Fiber, completion: Completion) -> bool:
    """Leave scopes until one takes the completion; returns whether the fiber stopped (waits, ended)."""
    while len(fiber.scopes) > (completion.depth if isinstance(completion, Left) else 0):
        scope = fiber.scopes[-1]
        if isinstance(scope, Bound):
            outcome = _leave_bound(machine, fiber, scope, completion)
        elif isinstance(scope, Saga):
            outcome = sagas.leave(machine, fiber, scope, completion)
        elif isinstance(scope, Lock):
            locks.close(machine, fiber)
            continue
        else:
            outcome = _leave_try(machine, fiber, scope, completion)
        if isinstance(outcome, bool):
            return outcome
        completion = outcome
    if isinstance(completion, Left):
        fiber.pc = completion.to
        return False
    machine.end(fiber, completion)
    return True


# -- Bound -------------------------------------------------------------------------------------------


def start_attempt(machine: Machine, fiber: Fiber) -> None:
    """Begin the next attempt of the innermost scope, and start its clock."""
    scope = fiber.scopes[-1]
    assert isinstance(scope, Bound), "attempts belong to Bound scopes"
    scope.attempt += 1
    if scope.limit is not None:
        use = TimerUse(fiber.id, "timeout", len(fiber.scopes) - 1)
        path = machine.path(fiber, machine.program.ops[scope.pc].step)
        scope.timeout = machine.start_timer(scope.limit, use, path)


def close_bound(machine: Machine, fiber: Fiber) -> None:
    """Take the innermost scope off, and stop its clocks."""
    scope = fiber.scopes.pop()
    assert isinstance(scope, Bound), "the innermost scope is a Bound"
    machine.cancel_timer(scope.timeout)
    machine.cancel_timer(scope.deadline)


def _leave_bound(machine: Machine, fiber: Fiber, scope: Bound, completion: Completion) -> Completion | bool:
    """Start the body again (True: after a wait, False: at once), or let the completion go on."""
    machine.cancel_timer(scope.timeout)
    scope.timeout = None
    if isinstance(completion, Failed) and not canceled(fiber, len(fiber.scopes) - 1):
        if scope.expired is not None:
            late = waits.timed_out(machine, fiber, scope.pc, scope.expired, scope.attempt)
            completion = Failed(failure=with_undone(late, completion.failure.compensation))
        try:
            delay = _retry_delay(machine, fiber, scope, completion.failure)
        except EvalError as error:
            completion = Failed(failure=machine.expression_failure(fiber, error))
            delay = None
        if delay is not None:
            return _again(machine, fiber, scope, delay)
    close_bound(machine, fiber)
    return completion


def _retry_delay(machine: Machine, fiber: Fiber, scope: Bound, failure: Failure) -> int | None:
    """Microseconds until the next attempt; None when there is none."""
    policy = machine.program.ops[scope.pc].retry
    if policy is None or scope.expired == "deadline" or scope.policy is None:
        return None
    attempts, delay, max_delay = scope.policy
    if scope.attempt >= attempts or not failure.retryable or failure.type == CANCELED:
        return None
    # Who asks for another try after some time gets it, whatever the policy lists.
    wanted = failure.retry_after is not None or matches(policy.on, failure)
    if not wanted or (policy.except_ and matches(policy.except_, failure)):
        return None
    if policy.when is not None:
        fiber.frame[policy.error_slot] = failure.to_json()
        if not policy.when(fiber.frame, machine.env):
            return None
    if failure.retry_after is not None:
        return min(failure.retry_after, MAX_DELAY)
    draw = None
    if policy.jitter:
        path = machine.path(fiber, machine.program.ops[scope.pc].step)
        draw = keys.fraction(machine.started.key_seed, path, scope.attempt)
    return backoff(scope.attempt, delay=delay, factor=policy.backoff, max_delay=max_delay, draw=draw)


def _again(machine: Machine, fiber: Fiber, scope: Bound, delay: int) -> bool:
    scope.expired = None
    fiber.pc = scope.pc + 1
    if delay <= 0:
        start_attempt(machine, fiber)
        return False
    use = TimerUse(fiber.id, "retry", len(fiber.scopes) - 1)
    path = machine.path(fiber, machine.program.ops[scope.pc].step)
    fiber.wait = TimerWait(seq=machine.start_timer(delay, use, path))
    return True


# -- Try ---------------------------------------------------------------------------------------------


def _leave_try(machine: Machine, fiber: Fiber, scope: Try, completion: Completion) -> Completion | bool:
    """Hand an error to the clauses, or run ``finally`` first, or let the completion go on."""
    op = machine.program.ops[scope.pc]
    if scope.phase == "body" and isinstance(completion, Failed) and op.catch is not None:
        scope.phase = "catch"
        scope.failure = completion.failure
        fiber.pc = op.catch
        return False
    if scope.phase != "finally" and op.finally_ is not None:
        scope.phase, scope.failure, scope.completion = "finally", None, completion
        fiber.pc = op.finally_
        return False
    fiber.scopes.pop()
    return canceled_instead(machine, fiber, completion) or completion


def canceled_instead(machine: Machine, fiber: Fiber, completion: Completion | None) -> Failed | None:
    """The cancellation that a scope which was just left has held up, or that its end must not replace."""
    if not canceled(fiber, len(fiber.scopes)):
        return None
    if not isinstance(completion, Failed):
        return Failed(failure=machine.cancellation(fiber))
    if completion.failure.type == CANCELED:
        return None
    return Failed(failure=with_undone(machine.cancellation(fiber), completion.failure.compensation))


def leave_try(machine: Machine, fiber: Fiber) -> bool:
    """The body or a clause has ended well. After a clause for a cancellation, it goes on."""
    scope = fiber.scopes[-1]
    assert isinstance(scope, Try), "the innermost scope is a Try"
    op = machine.program.ops[scope.pc]
    caught = scope.failure
    goes_on = Failed(failure=caught) if caught is not None and caught.type == CANCELED else None
    if op.finally_ is not None:
        scope.phase, scope.failure, scope.completion = "finally", None, goes_on
        fiber.pc = op.finally_
        return False
    return _close_try(machine, fiber, goes_on, op.end)


def end_finally(machine: Machine, fiber: Fiber) -> bool:
    """``finally`` has ended well: go on with what led into it."""
    scope = fiber.scopes[-1]
    assert isinstance(scope, Try), "the innermost scope is a Try"
    return _close_try(machine, fiber, scope.completion, machine.program.ops[scope.pc].end)


def _close_try(machine: Machine, fiber: Fiber, completion: Completion | None, end: int) -> bool:
    fiber.scopes.pop()
    completion = canceled_instead(machine, fiber, completion) or completion
    if completion is not None:
        return unwind(machine, fiber, completion)
    fiber.pc = end
    return False
