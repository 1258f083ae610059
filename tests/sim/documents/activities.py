"""Steps that are activities."""

from __future__ import annotations

from typing import Any

from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step

QUEUE = "slow"
"""The named queue that some processes serve."""


def activity(maker: Maker, place: Place) -> Step:
    """An activity, that fails at first perhaps."""
    fails = maker.random.choice([0, 0, 0, 1, 2])
    more: dict[str, Any] = {}
    if fails:
        delay = maker.time("200ms", "3h")
        more["retry"] = {"attempts": fails + 1, "delay": delay, "backoff": 1.5}
    return _called(maker, place, "Work", fails + 1, more, fails=fails)


def outside(maker: Maker, place: Place) -> Step:
    """An activity that somebody else completes, perhaps twice.

    It may run once more though nobody died: that it was handed over is forgotten when the commit that says so
    is lost.
    """
    return _called(maker, place, "Ask", 0, {})


def reporting(maker: Maker, place: Place) -> Step:
    """An activity that must say that it goes on; who is silent for too long is tried again."""
    more = {
        "heartbeat": maker.time("2h", "300d"),
        "retry": {"attempts": 50, "delay": maker.time("1s", "1h"), "backoff": 1},
    }
    return _called(maker, place, "Report", 0, more)


def large(maker: Maker, place: Place) -> Step:
    """A value that is kept apart, and goes through an activity."""
    name, made, back = maker.name(), maker.name(), maker.name()
    maker.attempts[made] = maker.attempts[back] = 1
    size = maker.random.randint(17_000, 20_000)
    steps = [
        {f"a{made}": {"call": "Large", "with": {"label": made, "text": "", "size": size}}},
        {f"b{made}": {"call": "Large", "with": {"label": back, "text": f"${{ a{made} }}", "size": size}}},
        {"output": f"${{ size(b{made}) }}"},
    ]

    def value(state: State) -> int:
        state.calls.update([made, back])
        return size

    return maker.named(place, name, {"do": steps}, value)


def _called(
    maker: Maker, place: Place, called: str, attempts: int, more: dict[str, Any], **given: Any
) -> Step:
    name = maker.name()
    text, number = maker.number(place.names)
    maker.attempts[name] = attempts
    task = {"call": called, "with": {"label": name, "n": f"${{ {text} }}", **given}, **more}
    if maker.queued:
        task |= _when(maker)

    def value(state: State) -> int:
        state.calls[name] += 1
        return int(number(state)) * 2 + 1

    return maker.named(place, name, task, value)


def _when(maker: Maker) -> dict[str, Any]:
    """Where a call runs, before which others, and beside how many."""
    random, found = maker.random, dict[str, Any]()
    if random.random() < 0.5:
        found["queue"] = QUEUE
    if random.random() < 0.4:
        found["priority"] = random.randint(-2, 2)
    if random.random() < 0.4:
        found["fairness_key"] = random.choice("xyz")
    if random.random() < 0.5:
        limit = random.randint(1, 2)
        found["concurrency"] = {"key": f"few/{limit}", "limit": limit}
    return found
