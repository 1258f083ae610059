"""Steps that stand alone: values, waits, events."""

from __future__ import annotations

from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step


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


def published(maker: Maker, place: Place) -> Step:
    """An event that finds the instance by what is in it; each has its number."""
    maker.published += 1
    maker.one_way = True
    task = {
        "wait_for_event": "Paid",
        "correlate": "${ event.of == workflow.instance_id }",
        "timeout": "never",
        "output": "${ result.n }",
    }

    def value(state: State) -> int:
        state.found += 1
        return state.found

    return maker.named(place, maker.name(), task, value)


def late_event(maker: Maker, place: Place) -> Step:
    """Nobody sends it: the timeout decides."""
    name, timeout = maker.name(), maker.time("2s", "30d")
    task = {
        "wait_for_event": f"Never_{name}",
        "timeout": timeout,
        "on_timeout": [{"output": 7}],
    }
    return maker.named(place, name, task, lambda state: 7)
