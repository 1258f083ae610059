"""Steps with steps in them, one after the other."""

from __future__ import annotations

from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step


def sequence(maker: Maker, place: Place) -> Step:
    """A block."""
    name = maker.name()
    steps, value = maker.block(place)
    return maker.named(place, name, {"do": steps}, value)


def bound(maker: Maker, place: Place) -> Step:
    """A block with a deadline that is never reached by itself, and retry that is never needed."""
    name = maker.name()
    steps, value = maker.block(place, concurrent=True)
    return maker.named(place, name, {"do": steps, "deadline": "9000d", "retry": {"attempts": 2}}, value)


def choice(maker: Maker, place: Place) -> Step:
    """One of two blocks."""
    name = maker.name()
    text, number = maker.number(place.names)
    even, when_even = maker.block(place)
    odd, when_odd = maker.block(place)
    task = {"switch": [{"when": f"${{ ({text}) % 2 == 0 }}", "do": even}], "else": odd}
    return maker.named(place, name, task, lambda s: when_even(s) if number(s) % 2 == 0 else when_odd(s))


def for_each(maker: Maker, place: Place) -> Step:
    """A block for each of some items, one after the other."""
    name = maker.name()
    items = [maker.random.randint(0, 9) for _ in range(maker.random.randint(0, 3))]
    item = f"i{name}"
    steps, value = maker.block(place, item)
    task = {"for_each": items, "each": item, "do": steps, "output": "${ result.sum() }"}

    def run(state: State) -> int:
        before, total = dict(state.names), 0
        for each in items:
            state.names = {**before, item: each}
            total += value(state)
        state.names = before
        return total

    return maker.named(place, name, task, run)


def until(maker: Maker, place: Place) -> Step:
    """A block again and again."""
    name, rounds = maker.name(), maker.random.randint(1, 3)
    index = f"x{name}"
    steps, value = maker.block(place, index)
    task = {"until": f"${{ {index} >= {rounds - 1} }}", "limit": 5, "at": index, "do": steps}

    def run(state: State) -> int:
        before, last = dict(state.names), 0
        for each in range(rounds):
            state.names = {**before, index: each}
            last = value(state)
        state.names = before
        return last

    return maker.named(place, name, task, run)
