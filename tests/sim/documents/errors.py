"""Steps in which something fails, and what is done about it."""

from __future__ import annotations

from tests.sim.documents.maker import Maker, Place
from tests.sim.documents.model import State, Step


def caught(maker: Maker, place: Place) -> Step:
    """What is done before the error is done; the error is caught; ``finally`` is done once."""
    name, fatal, last = maker.name(), maker.name(), maker.name()
    steps, value = maker.block(place)
    breaks = maker.random.random() < 0.6
    if breaks:
        broken = {"call": "Break", "with": fatal}
        steps.insert(len(steps) - 1, {fatal: broken})
    task = {
        "try": steps,
        "catch": [{"errors": ["Broken"], "do": [{"output": 100}]}],
        "finally": [{last: maker.work(last)}],
    }

    def run(state: State) -> int:
        result = value(state)
        if breaks:
            state.calls[fatal] += 1
            result = 100
        state.calls[last] += 1
        return int(result)

    return maker.named(place, name, task, run)


def saga(maker: Maker, place: Place) -> Step:
    """What is done in it is undone if it breaks, each once; the error is caught."""
    name, inner, fatal = maker.name(), maker.name(), maker.name()
    steps, value = maker.block(place)
    pairs = [(maker.name(), maker.name()) for _ in range(maker.random.randint(1, 2))]
    for count, (done, undone) in enumerate(pairs):
        fails = maker.random.choice([0, 0, 1])
        maker.attempts[undone] = fails + 1
        undo = {
            "on": "attempted",
            "call": "Work",
            "with": {"label": undone, "n": 1, "fails": fails},
            "retry": {"attempts": fails + 1, "delay": "3h" if maker.long_time else "200ms"},
        }
        work = {**maker.work(done), "compensate": undo}
        steps.insert(count * (len(steps) - 1), {done: work})
    breaks = maker.random.random() < 0.6
    last = {"call": "Break", "with": fatal} if breaks else {"value": 1}
    mark = maker.work(f"mark{inner}")
    steps[-1:-1] = [{fatal: last}, {f"mark{inner}": mark}]
    task = {
        "try": [{inner: {"saga": steps}}, {"output": f"${{ {inner} }}"}],
        "catch": [{"errors": ["Broken"], "do": [{"output": 100}]}],
    }

    def run(state: State) -> int:
        state.undos.append([])
        result = value(state)
        state.calls.update(done for done, _ in pairs)
        undos = [*state.undos.pop(), *(undone for _, undone in pairs)]
        if breaks:
            state.calls[fatal] += 1
            state.calls.update(undos)
            return 100
        state.calls[f"mark{inner}"] += 1
        if state.undos:
            # A part is undone with the whole.
            state.undos[-1] += undos
        return int(result)

    return maker.named(place, name, task, run)
