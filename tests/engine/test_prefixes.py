"""The check of all prefixes finds engines whose replays depend on anything but the history."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from perdure.compiler import ir
from perdure.engine import ops
from perdure.engine.codec import encode_events, whole_events
from perdure.engine.events import TaskCompleted, is_decided
from perdure.engine.machine import Machine
from perdure.engine.store.rows import HistoryRow
from tests.engine.driver import Hub, compiled
from tests.engine.functions import offer
from tests.engine.prefixes import check_prefixes

FLOW = """
vars: { n: 0 }
do:
  - one: { call: Echo, with: 1 }
  - two: { call: Echo, with: "${ one + 1 }" }
  - set: { n: "${ two + 1 }" }
  - three: { call: Echo, with: "${ vars.n }" }
  - return: ${ three }
"""


@pytest.fixture
def rows(hub: Hub) -> Sequence[HistoryRow]:
    """The history of an instance of ``FLOW``."""
    offer(hub)
    hub.start(FLOW)
    hub.run()
    assert hub.output() == 3
    return hub.rows()


def changed(rows: Sequence[HistoryRow], change: Callable[[Any], Any]) -> list[HistoryRow]:
    """The history with some of its events replaced."""
    return [
        msgspec.structs.replace(
            row, events=encode_events([change(each) for each in whole_events(row.events, {})])
        )
        for row in rows
    ]


def test_every_event_heard_ends_a_prefix(rows: Sequence[HistoryRow]) -> None:
    """As many are checked as there are events that no machine decided."""
    events = [event for row in rows for event in whole_events(row.events, row.values)]
    assert check_prefixes(compiled(FLOW), "i", rows) == sum(not is_decided(each) for each in events)


@pytest.mark.parametrize("answer", [1, 2])
def test_a_history_of_something_else_is_found(rows: Sequence[HistoryRow], answer: int) -> None:
    """One answer is not what it was, so the next decision is another."""

    def other(event: Any) -> Any:
        if isinstance(event, TaskCompleted) and event.result == answer:
            return msgspec.structs.replace(event, result=9)
        return event

    with pytest.raises(AssertionError, match="after event"):
        check_prefixes(compiled(FLOW), "i", changed(rows, other))


def test_a_missing_row_is_found(rows: Sequence[HistoryRow]) -> None:
    """A history has no gaps."""
    with pytest.raises(AssertionError, match="a gap"):
        check_prefixes(compiled(FLOW), "i", [*rows[:1], *rows[2:]])


def test_a_decision_that_counts_machines_is_found(
    rows: Sequence[HistoryRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first replay of a process decides as recorded, and those after it do not."""
    right, count = ops.HANDLERS[ir.Call], itertools.count()

    def call(machine: Machine, fiber: Any, op: Any) -> bool:
        stopped = right(machine, fiber, op)
        if next(count) >= 3:
            machine._decided[-1] = msgspec.structs.replace(machine._decided[-1], priority=1)
        return stopped

    monkeypatch.setitem(ops.HANDLERS, ir.Call, call)
    with pytest.raises(AssertionError, match="after event"):
        check_prefixes(compiled(FLOW), "i", rows)


def test_a_state_that_machines_share_is_found(
    rows: Sequence[HistoryRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that is decided differs, yet."""
    right, shared = ops.HANDLERS[ir.Call], dict[str, int](seen=0)

    def call(machine: Machine, fiber: Any, op: Any) -> bool:
        shared["seen"] += 1
        machine.state.variables = {**machine.state.variables, "hidden": shared["seen"]}
        return right(machine, fiber, op)

    monkeypatch.setitem(ops.HANDLERS, ir.Call, call)
    with pytest.raises(AssertionError, match="two machines differ"):
        check_prefixes(compiled(FLOW), "i", rows)


def test_memory_that_is_not_what_the_history_says_is_found(hub: Hub) -> None:
    """The machine in memory is compared with a replay, where there is one in memory."""
    offer(hub)
    hub.start("do: [ go: { wait_for_event: Go, timeout: never } ]")
    hub.run()
    live = hub.live()
    if live is not None:
        live.set_variables({"n": 1})
        with pytest.raises(AssertionError, match="memory and history differ"):
            hub.check()
        live.state.variables = {}
    assert (live is None) == (hub.memory == 0)
