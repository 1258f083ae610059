"""Steps that begin other instances."""

from __future__ import annotations

from typing import Any

from tests.sim.documents.maker import Maker, Place, written
from tests.sim.documents.model import State, Step

SAID = 3
"""Events that a detached instance sends back."""


def child(maker: Maker, place: Place) -> Step:
    """A block in an instance of its own."""
    name = maker.name()
    text, number = maker.number(place.names)
    steps, value = maker.inside(Place(place.depth + 1, [], concurrent=True))
    result = steps.pop()["output"]
    called = _other(maker, name, [*steps, {"return": result}])
    task = {"call_workflow": called, "with": {"n": f"${{ {text} }}"}}

    def run(state: State) -> int:
        before, given = dict(state.names), number(state)
        undos, state.undos = state.undos, []
        state.names = {"input.n": given}
        found = value(state)
        state.names, state.undos = before, undos
        return int(found)

    return maker.named(place, name, task, run)


def timed(maker: Maker, place: Place) -> Step:
    """A child that waits for what nobody sends, until its time is over; then it cleans up."""
    name, last = maker.name(), maker.name()
    waiting = [{f"w{last}": {"wait_for_event": f"Never_{last}", "timeout": "never"}}]
    steps = [{f"t{last}": {"try": waiting, "finally": [{last: maker.work(last)}]}}]
    called = _other(maker, name, steps, timeout=maker.time("2s", "30d"))
    caught = [{"errors": ["perdure.SubWorkflowFailed"], "do": [{"output": "${ size(error.cause.type) }"}]}]
    task = {"try": [{f"c{name}": {"call_workflow": called}}, {"output": 0}], "catch": caught}

    def value(state: State) -> int:
        state.calls[last] += 1
        return len("perdure.Timeout")

    return maker.named(place, name, task, value)


def detached(maker: Maker, place: Place) -> Step:
    """An instance that goes its own way, and sends events back, in order."""
    name, label = maker.name(), maker.name()
    # What comes while it has ended is lost.
    maker.one_way = True
    told: list[Any] = [
        {"send_event": {"to": "${ input.to }", "event": f"Back_{name}", "with": number + 1}}
        for number in range(SAID)
    ]
    told.insert(maker.random.randint(0, SAID), {label: maker.work(label)})
    started = {
        "start_workflow": _other(maker, name, told),
        "instance_id": f"${{ workflow.instance_id }}:{name}-${{ input.round }}",
        "with": {"to": "${ workflow.instance_id }"},
    }
    said = {"wait_for_event": f"Back_{name}", "count": SAID, "timeout": "never"}
    digits = " + ".join(f"h{name}[{place}] * {10 ** (SAID - 1 - place)}" for place in range(SAID))
    block = [{f"b{name}": started}, {f"h{name}": said}, {"output": f"${{ {digits} }}"}]

    def value(state: State) -> int:
        state.calls[label] += 1
        return 123

    return maker.named(place, name, {"do": block}, value)


def _other(maker: Maker, name: str, steps: list[Any], **header: Any) -> str:
    """Another workflow with these steps; its name."""
    body = {"dsl": "perdure/1", "name": f"child-{name}", "version": "1.0.0", **header, "do": steps}
    maker.children.append(written(body))
    return f"child-{name}"
