"""What the memory of an owner keeps of instances that have ended: nothing, and that at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from tests.engine.driver import Hub, compiled

FLOW = """
do:
  - a: { call: Inc, with: "${ input }" }
  - both:
      parallel:
        one: [{ b: { call: Inc, with: "${ a }" } }]
        two: [{ pause: { wait: 1s } }]
  - got: { wait_for_event: Go, timeout: never }
  - return: ${ a }
"""


@pytest.fixture
def nobody_looks() -> Iterator[None]:
    """For garbage."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _machines(program: LinkedProgram) -> int:
    return sum(type(each) is Machine and each.program.digest == program.digest for each in gc.get_objects())


@pytest.mark.usefixtures("nobody_looks")
def test_who_has_ended_is_freed_without_a_look_for_garbage() -> None:
    """A machine in a circle of references would stay, with all its values, until the collector looks."""
    hub, flow = Hub(), compiled(FLOW)
    hub.activity("Inc", lambda n: n + 1)
    ids = [hub.start(flow, 1, id=f"i{number}") for number in range(5)]
    hub.run()
    hub.advance(2)
    assert _machines(flow) == 5, "they wait"
    for each in ids:
        hub.raise_event("Go", id=each)
    hub.run()
    assert {hub.status(each) for each in ids} == {"Completed"}
    assert _machines(flow) == 0
