"""Calls, signals and locks of entities, as the machine asks for them.

A ``Lock`` scope asks for its entities one after the other, in the order of their ids, so that two of them
never wait for each other. What it holds, and what it has asked for, it gives back however it is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.engine import scopes
from perdure.engine.addresses import entity_of
from perdure.engine.events import (
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityUnlockSent,
)
from perdure.engine.failure import ENTITY, TIMEOUT
from perdure.engine.payload import bounded
from perdure.engine.state import Failed, Fiber, Lock, LockWait, Question, TimerUse

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


class NoEntity(Exception):
    """A text that is no entity; the argument says so."""


def call(machine: Machine, fiber: Fiber, op: Any) -> bool:
    """Ask an entity, and wait; under a lock, only one that it holds."""
    entity = _target(machine, fiber, op.entity)
    scope = _around(machine, fiber)
    if scope is not None and entity not in scope.held:
        held = ", ".join(scope.held) or "none"
        message = f"{entity} is not held by the lock around this; it holds {held}"
        return scopes.unwind(machine, fiber, Failed(failure=machine.failure(fiber, ENTITY, message)))
    decision = EntityOperationCalled(
        entity=entity,
        operation=op.operation,
        path=machine.path(fiber, op.step),
        input=_arguments(machine, fiber, op),
        lock=None if scope is None else scope.held[entity],
    )
    machine.ask(fiber, decision, entity)
    return True


def signal(machine: Machine, fiber: Fiber, op: Any) -> bool:
    """Tell an entity; nobody waits."""
    entity = _target(machine, fiber, op.entity)
    scope = _around(machine, fiber)
    at = 0 if op.at is None else max(op.at(fiber.frame, machine.env), 0)
    machine.decide(
        EntityOperationSignaled(
            entity=entity,
            operation=op.operation,
            path=machine.path(fiber, op.step),
            input=_arguments(machine, fiber, op),
            at=at,
            # What comes later than now may come when the lock is given back.
            lock=None if scope is None or at > machine.env.now_us else scope.held.get(entity),
        )
    )
    return False


def _target(machine: Machine, fiber: Fiber, target: Any) -> str:
    return _checked(f"{target.type}@{target.key(fiber.frame, machine.env)}")


def _checked(text: Any) -> str:
    if not isinstance(text, str) or entity_of(text) is None:
        raise NoEntity(f"{text!r} is no entity: write Type@key")
    return text


def _arguments(machine: Machine, fiber: Fiber, op: Any) -> Any:
    value = None if op.arguments is None else op.arguments(fiber.frame, machine.env)
    return bounded(value, "'with'")


def _around(machine: Machine, fiber: Fiber) -> Lock | None:
    """The lock that is open around a fiber, in it or in those whose branch or compensation it is."""
    while True:
        for scope in reversed(fiber.scopes):
            if isinstance(scope, Lock):
                return scope
        if fiber.undoes is not None:
            fiber = machine.state.fibers[fiber.undoes]
        elif fiber.group is not None:
            fiber = machine.state.fibers[machine.state.groups[fiber.group].fiber]
        else:
            return None


# -- the scope ---------------------------------------------------------------------------------------


def enter(machine: Machine, fiber: Fiber, op: Any) -> bool:
    """Open the scope, and wait until all entities are held."""
    if op.listed is None:
        entities = [_target(machine, fiber, each) for each in op.targets]
    else:
        entities = [_checked(each) for each in op.listed(fiber.frame, machine.env)]
    timeout = op.timeout
    if timeout is not None and not isinstance(timeout, int):
        timeout = timeout(fiber.frame, machine.env)
    scope = Lock(pc=fiber.pc - 1, entities=sorted(set(entities)))
    fiber.scopes.append(scope)
    if not scope.entities:
        return False
    if timeout is not None:
        use = TimerUse(fiber.id, "lock", len(fiber.scopes) - 1)
        scope.timer = machine.start_timer(timeout, use, machine.path(fiber, op.step))
    _ask_next(machine, fiber, scope)
    return True


def _ask_next(machine: Machine, fiber: Fiber, scope: Lock) -> None:
    entity = scope.entities[len(scope.held)]
    path = machine.path(fiber, machine.program.ops[scope.pc].step)
    seq = machine.decide(EntityLockRequested(entity=entity, path=path))
    machine.state.questions[seq] = Question(fiber.id, entity)
    machine.state.locks[seq] = entity
    fiber.wait = LockWait(seq=seq, entity=entity)


def granted(machine: Machine, event: EntityLockGranted) -> None:
    """One entity more is held: ask for the next one, or go on."""
    question = machine.state.questions.pop(event.scheduled_seq, None)
    if question is None:
        return
    fiber = machine.state.fibers[question.fiber]
    scope = fiber.scopes[-1]
    assert isinstance(scope, Lock), "who waits for a lock has just opened the scope"
    scope.held[question.instance] = event.scheduled_seq
    if len(scope.held) < len(scope.entities):
        _ask_next(machine, fiber, scope)
        return
    machine.cancel_timer(scope.timer)
    scope.timer = None
    machine.resume(fiber)


def timed_out(machine: Machine, fiber: Fiber) -> None:
    """The locks did not come in time: what is held is given back, and the step fails."""
    scope, wait = fiber.scopes[-1], fiber.wait
    assert isinstance(scope, Lock), "who waits for a lock has just opened the scope"
    assert isinstance(wait, LockWait), "the timer runs only while it is waited for"
    scope.timer = None
    message = f"{wait.entity} could not be locked in time"
    withdraw(machine, fiber, wait)
    machine.resume(fiber, machine.failure(fiber, TIMEOUT, message))


def withdraw(machine: Machine, fiber: Fiber, wait: LockWait) -> None:
    """The fiber does not wait any more: its request is taken back. What is held is left with the scope."""
    scope = fiber.scopes[-1]
    assert isinstance(scope, Lock), "who waits for a lock has just opened the scope"
    del machine.state.questions[wait.seq]
    machine.answered(wait.seq)
    machine.cancel_timer(scope.timer)
    scope.timer = None
    _release(machine, wait.seq)


def close(machine: Machine, fiber: Fiber) -> None:
    """Leave the scope, and give back what it holds."""
    scope = fiber.scopes.pop()
    assert isinstance(scope, Lock), "the innermost scope is a Lock"
    for seq in scope.held.values():
        _release(machine, seq)


def _release(machine: Machine, seq: int) -> None:
    entity = machine.state.locks.pop(seq)
    machine.decide(EntityUnlockSent(scheduled_seq=seq, entity=entity))
