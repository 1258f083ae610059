"""Steps that stand alone: activities, values, waits."""

from __future__ import annotations

from typing import Any

from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step


def activity(maker: Maker, place: Place) -> Step:
    """An activity, that fails at first perhaps."""
    name = maker.name()
    text, number = maker.number(place.names)
    fails = maker.random.choice([0, 0, 0, 1, 2])
    maker.attempts[name] = fails + 1
    task: dict[str, Any] = {
        "call": "Work",
        "with": {"label": name, "n": f"${{ {text} }}", "fails": fails},
    }
    if fails:
        delay = "3h" if maker.long_time else "200ms"
        task["retry"] = {"attempts": fails + 1, "delay": delay, "backoff": 1.5}

    def value(state: State) -> int:
        state.calls[name] += 1
        return int(number(state)) * 2 + 1

    return maker.named(place, name, task, value)


def constant(maker: Maker, place: Place) -> Step:
    """A number from another."""
    text, number = maker.number(place.names)
    return maker.named(place, maker.name(), {"value": f"${{ {text} + 1 }}"}, lambda s: number(s) + 1)


def pause(maker: Maker, place: Place) -> Step:
    """Time that passes."""
    duration = maker.random.choice(["1h", "9h", "40d"] if maker.long_time else ["1ms", "700ms", "4s"])
    return {maker.name(): {"wait": duration}}, lambda state: None


def assign(maker: Maker, place: Place) -> Step:
    """A variable that grows."""
    text, number = maker.number(place.names)

    def run(state: State) -> None:
        state.vars["total"] += number(state)

    return {"set": {"total": f"${{ vars.total + {text} }}"}}, run


def event(maker: Maker, place: Place) -> Step:
    """All have one name, and each its number: one too many, too few or out of order is seen."""
    maker.events += 1

    def value(state: State) -> int:
        state.heard += 1
        return state.heard

    return maker.named(place, maker.name(), {"wait_for_event": "Go", "timeout": "never"}, value)


def late_event(maker: Maker, place: Place) -> Step:
    """Nobody sends it: the timeout decides."""
    name, timeout = maker.name(), "30d" if maker.long_time else "2s"
    task = {
        "wait_for_event": f"Never_{name}",
        "timeout": timeout,
        "on_timeout": [{"output": 7}],
    }
    return maker.named(place, name, task, lambda state: 7)
