"""``limits.history_events``: a warning when a history grows long, and what happens when it is too long.

The history of one generation is counted. At its limit an instance is suspended, and each resume allows it a
tenth more; or everything is canceled, and it fails when that has cleaned up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perdure.engine.endings import end_early
from perdure.engine.state import Ending

if TYPE_CHECKING:
    from perdure.engine.machine import Machine

WARNED_AT = 0.8
"""The part of its limit at which a history is told of."""


def watch(machine: Machine, events: int) -> None:
    """Look at the number of events after each step of the machine."""
    state, limits = machine.state, machine.program.program.limits
    if limits is None or limits.history_events is None or state.ended or not state.begun:
        return
    limit = limits.history_events
    if not state.warned and events >= limit * WARNED_AT:
        state.warned = True
        machine.warn(f"the history has {events} events, the limit is {limit}")
    if events < (state.allowed or limit) or state.suspended or state.ending is not None:
        return
    text = f"the history has {events} events, the limit is {limit}"
    if limits.on_exceed == "fail":
        end_early(machine, Ending(why="limit", text=text))
    else:
        state.suspended, state.limited = True, f"limit: {text}"


def allow_more(machine: Machine, events: int) -> None:
    """A resume lets an instance that was suspended for its limit go on for a while."""
    state, limits = machine.state, machine.program.program.limits
    if state.limited is not None and limits is not None and limits.history_events is not None:
        state.limited = None
        state.allowed = events + max(limits.history_events // 10, 1)
