"""The checker of linearizability knows a wrong history from a right one."""

from __future__ import annotations

import pytest

from tests.sim.linear import Operation, linearizable
from tests.sim.scenes.counters import counter

ADD, LOST = Operation("next", 1, 0, 1, 1), Operation("next", 5, 2, None)


@pytest.mark.parametrize(
    ("operations", "right"),
    [
        ([ADD, Operation("get", None, 2, 3, 1)], True),
        ([ADD, Operation("get", None, 2, 3, 0)], False),
        ([ADD, Operation("get", None, 0, 3, 0)], True),
        ([ADD, Operation("next", 1, 2, 3, 1)], False),
        ([ADD, Operation("next", 1, 0, 2, 2)], True),
        ([ADD, Operation("put", 7, 2, 3), Operation("get", None, 4, 5, 1)], False),
        ([ADD, LOST, Operation("get", None, 3, 4, 1), Operation("get", None, 5, 6, 6)], True),
        ([ADD, LOST, Operation("get", None, 3, 4, 6), Operation("get", None, 5, 6, 1)], False),
        ([ADD, LOST, Operation("get", None, 3, 4, 11)], False),
    ],
)
def test_it_tells_an_order_that_there_can_be(operations: list[Operation], right: bool) -> None:
    """Real time counts, and what nobody knows happens once, some time, or never."""
    assert linearizable(operations, 0, counter) is right
