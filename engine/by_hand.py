"""A wait that an operator ends by hand: which ones can be, and what it does to the fiber."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perdure.compiler import ir
from perdure.engine import chunks, waits
from perdure.engine.events import StepResolved, is_answer
from perdure.engine.state import EventWait, Fiber, LockWait, ReplyWait, TaskWait, TimerWait

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


def waiting_at(machine: Machine, path: str) -> Fiber | None:
    """The fiber that waits at the step for something which can be given by hand."""
    return next((fiber for fiber in _waiting(machine) if _path(machine, fiber) == path), None)


def _waiting(machine: Machine) -> Iterator[Fiber]:
    """The fibers whose waits an operator can end: not those that wait for other fibers, or for chunks."""
    kinds = TaskWait | TimerWait | EventWait | ReplyWait | LockWait
    for fiber in machine.state.fibers.values():
        if isinstance(fiber.wait, kinds) and not chunks.is_chunk(machine, fiber):
            yield fiber


def _path(machine: Machine, fiber: Fiber) -> str:
    return machine.path(fiber, machine.op(fiber).step)


def waits_open(machine: Machine) -> dict[str, str | None]:
    """The paths at which something waits that can be given by hand, with the steps' names."""
    steps = machine.program.program.steps
    return {_path(machine, fiber): steps[machine.op(fiber).step].name for fiber in _waiting(machine)}


def event_awaited(machine: Machine, path: str) -> str | None:
    """The event whose payload is the value of the step that waits there; None for anything else."""
    fiber = waiting_at(machine, path)
    if fiber is None or not isinstance(fiber.wait, EventWait) or machine.op(fiber).listed:
        return None
    return fiber.wait.event


def problem(machine: Machine, event: StepResolved) -> str | None:
    """Why an order to resolve a step does nothing; None if it does something."""
    fiber = waiting_at(machine, event.path)
    if fiber is None:
        return f"nothing waits at {event.path}"
    if any(_ends(held, fiber, event.path) for held in machine.state.held):
        return f"what {event.path} waits for has come; it is acted on at the resume"
    if event.error is None and isinstance(fiber.wait, LockWait):
        return (
            f"{event.path} waits for {fiber.wait.entity}: only an error can end that, for nobody can lend it"
        )
    if event.error is None and _place(machine, fiber) is None:
        return f"{event.path} waits before another attempt of several steps: only an error can end that"
    return None


def _ends(held: Any, fiber: Fiber, path: str) -> bool:
    """Whether something that came while suspended ends this wait already."""
    if isinstance(held, StepResolved):
        return held.path == path
    return is_answer(held) and held.scheduled_seq == getattr(fiber.wait, "seq", None)


def _place(machine: Machine, fiber: Fiber) -> int | None:
    """Where the fiber goes on with a result: behind the instruction that waits, or will be tried again."""
    op, code = machine.op(fiber), machine.program.ops
    if op.kind is ir.EnterLock:
        return None
    if op.kind is not ir.EnterBound:
        return fiber.pc
    one = hasattr(code[fiber.pc], "slot") and code[fiber.pc + 1].kind is ir.LeaveBound
    return fiber.pc + 1 if one else None


def resolve(machine: Machine, event: StepResolved) -> None:
    """End the wait at a step; without one, nothing happens.

    An error is not retried: it is the operator's last word about the step. It can be caught.
    """
    fiber = waiting_at(machine, event.path)
    if fiber is None:
        return
    place = _place(machine, fiber)
    if place is None and event.error is None:
        return
    listed = isinstance(fiber.wait, EventWait) and machine.op(fiber).listed
    waits.withdraw(machine, fiber)
    if event.error is not None:
        failure = machine.failure(fiber, event.error, event.message or event.error, event.data)
        failure.retryable = False
        machine.resume(fiber, failure)
        return
    assert place is not None, "a wait without a place to go on takes only errors"
    fiber.pc = place
    slot = getattr(machine.op(fiber), "slot", None)
    if slot is not None:
        fiber.frame[slot] = [] if listed and event.result is None else event.result
    machine.resume(fiber)
