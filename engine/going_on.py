"""What a machine does when its instance goes on after its end, or begins with another one's past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.engine.state import Bound, EventWait, Lock, TimerUse

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


def go_on(machine: Machine) -> None:
    """Begin every time limit that still runs anew: the time before counts for none of them.

    A ``wait`` and the time before a next attempt keep the moment at which they are over.
    """
    state = machine.state
    for seq, use in list(state.timers.items()):
        match use.purpose:
            case "wait" | "retry":
                continue
            case "event":
                wait = state.fibers[use.fiber].wait
                assert isinstance(wait, EventWait), "an event timer belongs to an event wait"
                wait.timer = _anew(machine, seq, use)
            case "workflow":
                state.deadline, state.first_started_at = _anew(machine, seq, use), machine.env.now_us
            case "lock":
                lock = state.fibers[use.fiber].scopes[use.depth]
                assert isinstance(lock, Lock), "a lock's timer belongs to its scope"
                lock.timer = _anew(machine, seq, use)
            case "timeout" | "deadline":
                scope = state.fibers[use.fiber].scopes[use.depth]
                assert isinstance(scope, Bound), "only Bound scopes have time limits"
                setattr(scope, use.purpose, _anew(machine, seq, use))


def _anew(machine: Machine, seq: int, use: TimerUse) -> int:
    machine.cancel_timer(seq)
    return machine.start_timer(use.delay, use, use.path)
