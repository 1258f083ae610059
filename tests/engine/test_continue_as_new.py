"""``continue_as_new``: a new generation, nothing lost, nothing left."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from perdure.engine.events import ContinueAsNew, ExecutionStarted
from perdure.engine.turning import GENERATIONS_A_TURN
from tests.engine.driver import Hub
from tests.engine.functions import offer

COUNTER = """
vars: { rounds: 0 }
do:
  - set: { rounds: "${ vars.rounds + 1 }" }
  - a: { call: Echo, with: "${ input }" }
  - if: ${ a >= 3 }
    then: [{ return: { rounds: "${ vars.rounds }", generation: "${ workflow.generation }" } }]
  - continue_as_new: { input: "${ input + 1 }" }
"""

SPIN = """
do:
  - if: ${ input <= 0 }
    then: [{ return: "${ workflow.generation }" }]
  - continue_as_new: { input: "${ input - 1 }" }
"""


def started(hub: Hub, id: str = "i") -> ExecutionStarted:
    """The first event of the present generation."""
    first = hub.events(id)[0]
    assert isinstance(first, ExecutionStarted), "every history begins so"
    return first


def test_a_generation_starts_with_fresh_variables_and_the_new_input(hub: Hub) -> None:
    """``vars`` begin anew, ``workflow.generation`` counts."""
    offer(hub)
    hub.start(COUNTER, 1)
    hub.run()
    assert hub.output() == {"rounds": 1, "generation": 3}


def test_the_instance_keeps_its_id_and_start(hub: Hub) -> None:
    """Id and creation stay; the execution is another one."""
    offer(hub)
    hub.start(COUNTER, 1)
    before = hub.instance()
    hub.run()
    after = hub.instance()
    assert (after.id, after.created_at, after.generation) == (before.id, before.created_at, 3)
    assert after.execution != before.execution


def test_each_generation_has_an_execution_id_and_keys_of_its_own(hub: Hub) -> None:
    """The same step of the next generation has another idempotency key."""
    offer(hub)
    hub.start(COUNTER, 1)
    hub.run()
    assert len({task.execution for task in hub.calls}) == 3
    assert len({task.key for task in hub.calls}) == 3


def test_the_history_stays_flat(hub: Hub) -> None:
    """A generation's history holds that generation alone."""
    offer(hub)
    hub.start(COUNTER, -50)
    hub.run()
    assert hub.instance().generation == 54
    assert hub.kinds() == ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]


def test_the_history_before_ends_with_continue_as_new(hub: Hub) -> None:
    """The generation before tells what the next one was started with."""
    offer(hub)
    hub.start(COUNTER, 2)
    hub.run()
    last = hub.events(generation=1)[-1]
    assert last == ContinueAsNew(input=3, carried=0, version="latest")


def test_histories_of_earlier_generations_are_forgotten_except_one(hub: Hub) -> None:
    """One history before the present one is kept."""
    offer(hub)
    hub.start(COUNTER, -3)
    hub.run()
    assert [bool(hub.rows(generation=n)) for n in range(1, 8)] == [False] * 5 + [True, True]


@pytest.mark.parametrize(
    "rounds", [1, GENERATIONS_A_TURN - 1, GENERATIONS_A_TURN, GENERATIONS_A_TURN + 1, 1000]
)
def test_generations_that_wait_for_nothing(hub: Hub, rounds: int) -> None:
    """A thousand generations without a wait end, and forget those before."""
    hub.start(SPIN, rounds)
    hub.run()
    assert hub.output() == rounds + 1
    assert not hub.rows(generation=rounds - 1)


def test_generations_that_wait_for_nothing_do_not_starve_others(hub: Hub) -> None:
    """Another instance is served between them."""
    offer(hub)
    hub.start(SPIN, 10_000, id="spinning")
    hub.start("do: [{ a: { call: Echo, with: 1 } }, { b: { call: Echo, with: 2 } }]", id="other")
    for _ in range(8):
        hub.round()
    assert (hub.status("other"), hub.status("spinning")) == ("Completed", "Running")
    hub.terminate(id="spinning")
    hub.run()


def test_generations_that_wait_for_nothing_can_be_ended(hub: Hub) -> None:
    """An instance that never waits hears of a terminate between two generations."""
    hub.start(SPIN, 10_000)
    hub.round()
    hub.round()
    hub.terminate()
    hub.run()
    assert hub.status() == "Terminated"
    assert hub.store.dead_letters() == []


def test_generations_that_wait_for_nothing_can_be_suspended(hub: Hub) -> None:
    """The same of a suspend; a resume lets the generation begin."""
    hub.start(SPIN, 200)
    hub.round()
    hub.round()
    hub.suspend()
    hub.run()
    assert hub.status() == "Suspended"
    hub.crash()
    hub.run()
    hub.resume()
    hub.run()
    assert hub.output() == 201


def test_a_crash_between_generations_loses_nothing(hub: Hub) -> None:
    """A generation that was left to a turn of its own starts after a crash too, once."""
    hub.start(SPIN, 100)
    for _ in range(20):
        hub.round()
        hub.crash()
    hub.run()
    assert hub.output() == 101


CARRY = """
do:
  - first: { wait_for_event: Go, timeout: never }
  - if: ${ first == 'stop' }
    then:
      - rest: { wait_for_event: Other, count: 2, timeout: 1s, on_timeout: [{ output: "${ result }" }] }
      - return: ${ [input, rest] }
  - continue_as_new: { input: "${ input + [first] }", events: MODE }
"""


def test_unconsumed_events_are_carried_in_order(hub: Hub) -> None:
    """Events of any name that nobody took go to the next generation, by default and in order."""
    hub.start(CARRY.replace(", events: MODE", ""), [])
    hub.suspend()
    for name, value in (("Other", 1), ("Go", "a"), ("Go", "b"), ("Other", 2), ("Go", "stop")):
        hub.raise_event(name, value)
    hub.resume()
    hub.run()
    assert hub.output() == [["a", "b"], [1, 2]]


def test_discard_drops_what_was_not_consumed(hub: Hub) -> None:
    """With ``events: discard`` the next generation begins without them."""
    hub.start(CARRY.replace("MODE", "discard"), [])
    hub.raise_event("Other", 1)
    hub.run()
    hub.raise_event("Go", "a")
    hub.run()
    hub.raise_event("Other", 2)
    hub.raise_event("Go", "stop")
    hub.advance(2)
    assert hub.output() == [["a"], [2]]


@pytest.mark.parametrize("mode", ["carry", "discard"])
def test_what_comes_after_the_end_of_a_generation_is_for_the_next(hub: Hub, mode: str) -> None:
    """Events recorded after the one that ended a generation are kept, though all came while suspended."""
    hub.start(CARRY.replace("MODE", mode), [])
    hub.run()
    hub.suspend()
    hub.run()
    for value in ("a", "stop"):
        hub.raise_event("Go", value)
        hub.run()
    hub.resume()
    hub.advance(2)
    assert hub.output() == [["a"], []]


def test_the_count_of_carried_events_is_told(hub: Hub) -> None:
    """``ContinueAsNew`` says how many events the next generation begins with."""
    hub.start(CARRY.replace("MODE", "carry"), [])
    hub.suspend()
    hub.run()
    for value in ("a", "b", "c"):
        hub.raise_event("Go", value)
    hub.run()
    hub.resume()
    hub.run()
    carried = [event.carried for event in hub.events(generation=3) if isinstance(event, ContinueAsNew)]
    assert carried == [len(started(hub).carried)]
    hub.terminate()
    hub.run()


def test_events_in_the_inbox_come_after_those_carried(hub: Hub) -> None:
    """What was buffered before is older than what arrives later."""
    hub.start(CARRY.replace("MODE", "carry"), [])
    hub.raise_event("Other", 1)
    hub.raise_event("Go", "a")
    hub.run()
    hub.raise_event("Other", 2)
    hub.raise_event("Go", "stop")
    hub.run()
    assert hub.output() == [["a"], [1, 2]]


def test_the_new_input_must_fit_the_schema(hub: Hub) -> None:
    """An input that does not fit fails the step with ``perdure.Schema``; the generation goes on."""
    hub.start(
        """
        input: { schema: { type: integer } }
        do:
          - t:
              try: [{ continue_as_new: { input: "${ dyn('text') }" } }]
              catch: [{ do: [{ return: "${ error.type }" }] }]
        """,
        1,
    )
    hub.run()
    assert (hub.output(), hub.instance().generation) == ("perdure.Schema", 1)


def test_it_may_stand_in_loops_and_blocks(hub: Hub) -> None:
    """It leaves loops, time limits and ``try`` (running ``finally``), and leaves no timer."""
    offer(hub)
    hub.start(
        """
        do:
          - if: ${ input > 1 }
            then: [{ return: "${ input }" }]
          - l:
              for_each: [1, 2]
              timeout: 1h
              do:
                - t:
                    deadline: 1h
                    try: [{ if: "${ item == 2 }", then: [{ continue_as_new: { input: "${ input + 1 }" } }] }]
                    finally: [{ f: { call: Echo, with: "${ input }" } }]
        """,
        1,
    )
    hub.run()
    assert (hub.output(), [task.input for task in hub.calls]) == (2, [1, 1])


def test_the_custom_status_of_a_generation_that_ended_at_once_is_kept(hub: Hub) -> None:
    """What a generation showed stays until another one shows something else."""
    hub.start(
        """
        do:
          - if: ${ input == 1 }
            then:
              - set_custom_status: first
              - continue_as_new: { input: 2 }
          - w: { wait: 1s }
        """,
        1,
    )
    hub.run()
    assert msgspec.json.decode(hub.instance().custom_status or "null") == "first"
    hub.advance(1)


def test_a_late_result_of_the_generation_before_is_ignored(hub: Hub) -> None:
    """What answers an earlier execution never reaches the present one, though the ``seq`` is the same."""
    offer(hub)
    hub.manual = True
    hub.start(
        """
        do:
          - r: { race: { a: [{ x: { call: Echo, with: "${ input }" } }], b: [{ y: { wait_for_event: Go,
                timeout: never } }] } }
          - if: ${ r.winner == 'a' }
            then: [{ return: "${ r.value }" }]
          - continue_as_new: { input: "${ input + 1 }" }
        """,
        1,
    )
    hub.run()
    hub.raise_event("Go")
    hub.run()
    first, second = hub.open
    hub.finish(first)
    hub.run()
    assert hub.status() == "Running"
    hub.finish(second)
    hub.run()
    assert hub.output() == 2


def test_a_waiting_generation_can_be_ended_like_any(hub: Hub) -> None:
    """Timers and tasks of the present generation go with a terminate."""
    hub.start("do: [{ w: { wait: 1h } }, { continue_as_new: { input: 1 } }]")
    hub.advance(3700)
    hub.terminate()
    hub.run()
    assert (hub.status(), hub.instance().generation) == ("Terminated", 2)


def test_input_of_the_present_generation_is_in_its_history(hub: Hub) -> None:
    """``ExecutionStarted`` of each generation has its input, number and seed."""
    offer(hub)
    hub.start(COUNTER, 2)
    hub.run()
    first: Any = started(hub)
    assert (first.input, first.generation, first.execution) == (3, 2, hub.instance().execution)
