"""``checkpoint_every``: a new generation in the middle of a loop, which goes on where the last one stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.engine.events import OpenBound, Resume
from perdure.engine.state import Bound, Fiber, Renewed, TimerUse

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


def reached(machine: Machine, fiber: Fiber, op: Any) -> bool:
    """After every so many iterations, end the generation; returns whether it has ended."""
    if (fiber.frame[op.index_slot] + 1) % op.every:
        return False
    resume = Resume(
        pc=fiber.pc,
        frame={slot: fiber.frame.get(slot) for slot in op.carries},
        variables=machine.state.variables,
        bounds=tuple(_open(machine, scope) for scope in fiber.scopes),
    )
    for scope in fiber.scopes:
        assert isinstance(scope, Bound), "a checkpoint stands in nothing but Bound scopes"
        machine.cancel_timer(scope.timeout)
        machine.cancel_timer(scope.deadline)
    machine.end(fiber, Renewed(input=None, carry=True, resume=resume))
    return True


def _open(machine: Machine, scope: Any) -> OpenBound:
    timers = machine.state.timers
    return OpenBound(
        pc=scope.pc,
        attempt=scope.attempt,
        limit=scope.limit,
        policy=scope.policy,
        timeout_at=None if scope.timeout is None else timers[scope.timeout].fire_at,
        deadline_at=None if scope.deadline is None else timers[scope.deadline].fire_at,
    )


def go_on(machine: Machine, resume: Resume) -> None:
    """Begin where the generation before has ended; clocks that were running have the time they had left."""
    fiber = machine.start_fiber(resume.pc, dict(resume.frame), None, 0)
    for depth, each in enumerate(resume.bounds):
        scope = Bound(pc=each.pc, attempt=each.attempt, limit=each.limit, policy=each.policy)
        fiber.scopes.append(scope)
        path = machine.path(fiber, machine.program.ops[each.pc].step)
        now = machine.env.now_us
        if each.deadline_at is not None:
            use = TimerUse(fiber.id, "deadline", depth)
            scope.deadline = machine.start_timer(each.deadline_at - now, use, path)
        if each.timeout_at is not None:
            use = TimerUse(fiber.id, "timeout", depth)
            scope.timeout = machine.start_timer(each.timeout_at - now, use, path)
