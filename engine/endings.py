"""How an instance ends before its workflow does: canceled, out of time, or with too long a history.

All three cancel the first fiber, so ``finally`` and compensations run; what came first says how the
instance ends. A cancellation that is heard before a generation begins lets none of its steps begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.engine.events import ExecutionCompleted
from perdure.engine.failure import CANCELED, LIMIT, TIMEOUT, Failure
from perdure.engine.state import Ending, TimerUse

if TYPE_CHECKING:
    from perdure.engine.machine import Machine

ROOT = 0
"""The id of the fiber in which a generation begins."""
_TYPES = {"timeout": TIMEOUT, "limit": LIMIT}


def end_early(machine: Machine, ending: Ending) -> None:
    """Cancel everything, once: a second reason changes nothing."""
    state = machine.state
    if state.ending is None:
        state.ending = ending
        cancel_root(machine)


def cancel_root(machine: Machine) -> None:
    """Raise ``perdure.Canceled`` in the first fiber, if there is one already."""
    root = machine.state.fibers.get(ROOT)
    if root is not None:
        root.canceled = True
        machine.cancel(root)


def said(machine: Machine) -> str:
    """The message of a cancellation: with the reason, when it is the instance's."""
    ending = machine.state.ending
    reason = ending.text if ending is not None and ending.why == "canceled" else None
    return f"canceled: {reason}" if reason else "canceled"


def never_begin(machine: Machine) -> None:
    """End an instance whose start was not due yet: there is nothing to clean up."""
    machine.state.ended = True
    machine.decide(failed(machine, Failure(type=CANCELED, message=said(machine))))


def watch_time(machine: Machine) -> None:
    """Start the clock of the whole workflow; what earlier generations have used of it counts."""
    state, timeout = machine.state, machine.program.program.timeout
    # A chunk is canceled by its parent, whose clock runs.
    if timeout is not None and machine.started.chunk is None:
        left = state.first_started_at + timeout - machine.env.now_us
        state.deadline = machine.start_timer(left, TimerUse(ROOT, "workflow"), "do")


def time_is_over(machine: Machine) -> None:
    """The clock of the whole workflow."""
    machine.state.deadline = None
    end_early(machine, Ending(why="timeout", text="the workflow passed its timeout"))


def failed(machine: Machine, failure: Failure) -> ExecutionCompleted:
    """The end of an instance whose first fiber was left by an error."""
    ending = machine.state.ending
    if ending is None or failure.type != CANCELED:
        return ExecutionCompleted(status="Failed", error=failure.to_json())
    if ending.why == "canceled":
        return ExecutionCompleted(status="Canceled", error=failure.to_json())
    failure = Failure(
        type=_TYPES[ending.why], message=ending.text or "", path="do", compensation=failure.compensation
    )
    return ExecutionCompleted(status="Failed", error=failure.to_json())
