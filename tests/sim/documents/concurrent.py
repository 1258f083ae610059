"""Steps with steps in them, side by side."""

from __future__ import annotations

from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step


def fan_out(maker: Maker, place: Place) -> Step:
    """Some items break, if failures are collected; the value is the sum of the others."""
    name, fatal = maker.name(), maker.name()
    items = maker.random.sample(range(20), maker.random.randint(1, 5))
    item = f"i{name}"
    steps, value = maker.block(place, item, concurrent=True)
    broken = {each for each in items if maker.random.random() < 0.2}
    if broken:
        steps.insert(
            0,
            {
                "if": f"${{ {item} in {sorted(broken)} }}",
                "then": [{fatal: {"call": "Break", "with": fatal}}],
            },
        )
    task = {
        "fan_out": items,
        "each": item,
        "key": f"${{ string({item}) }}",
        "width": maker.random.randint(1, 4),
        "on_failure": "collect",
        "chunk": maker.random.choice(["auto", 1, 2]),
        "do": steps,
        "output": "${ result.results.filter(x, x != null).sum() }",
    }

    def run(state: State) -> int:
        before, total = dict(state.names), 0
        for each in items:
            state.names = {**before, item: each}
            if each in broken:
                state.calls[fatal] += 1
            else:
                total += value(state)
        state.names = before
        return total

    return maker.named(place, name, task, run)


def parallel(maker: Maker, place: Place) -> Step:
    """Some blocks at once."""
    name = maker.name()
    branches = {
        branch: maker.block(place, concurrent=True)
        for branch in ["a", "b", "c"][: maker.random.randint(2, 3)]
    }
    task = {
        "parallel": {branch: steps for branch, (steps, _) in branches.items()},
        "output": "${ " + " + ".join(f"result.{branch}" for branch in branches) + " }",
    }

    def run(state: State) -> int:
        before, total = dict(state.names), 0
        for _, value in branches.values():
            state.names = dict(before)
            total += value(state)
        state.names = before
        return total

    return maker.named(place, name, task, run)


def race(maker: Maker, place: Place) -> Step:
    """Who wins is left open, so nothing of it is returned, and nobody has to have done anything."""
    name, first, second = maker.name(), maker.name(), maker.name()
    wait = "2h" if maker.long_time else "1s"
    task = {
        "race": {
            "a": [{first: maker.work(first)}],
            "b": [
                {f"w{second}": {"wait": wait}},
                {second: maker.work(second)},
            ],
        },
        "output": 3,
    }

    def run(state: State) -> int:
        state.optional |= {first, second}
        state.calls[first] += 1
        state.calls[second] += 1
        return 3

    return maker.named(place, name, task, run)
