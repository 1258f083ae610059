"""Sagas in each other, in branches and loops, under time limits, and in what is tried again."""

from __future__ import annotations

import pytest

from perdure.engine.events import SubOrchestrationInstanceCreated
from tests.engine.driver import Hub
from tests.engine.functions import finish_all, flaky
from tests.engine.ledger import Ledger, outcomes


@pytest.fixture
def ledger(hub: Hub) -> Ledger:
    """The activities ``Echo``, ``Fail`` and ``Undo``, and what became of them."""
    return Ledger(hub)


def test_a_part_is_undone_with_the_whole(hub: Hub, ledger: Ledger) -> None:
    """A saga inside that went well hands its compensations on, in order."""
    hub.start(
        """
        do:
          - outer:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - inner:
                    saga:
                      - b: { call: Echo, with: b, compensate: { call: Undo, with: b } }
                      - c: { call: Echo, with: c, compensate: { call: Undo, with: c } }
                - d: { call: Echo, with: d, compensate: { call: Undo, with: d } }
                - raise: { error: No }
        """
    )
    hub.run()
    assert ledger.undone == ["d", "c", "b", "a"]


def test_what_is_undone_inside_is_not_undone_again(hub: Hub, ledger: Ledger) -> None:
    """An error through two sagas: each undoes its own, and the error tells all."""
    hub.start(
        """
        do:
          - outer:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - inner:
                    saga:
                      - b: { call: Echo, with: b, compensate: { call: Undo, with: b } }
                      - raise: { error: No }
        """
    )
    hub.run()
    assert ledger.undone == ["b", "a"]
    assert outcomes(hub.error()) == [("b", "undone"), ("a", "undone")]


def test_each_iteration_and_item_is_undone(hub: Hub, ledger: Ledger) -> None:
    """Loops and fan-outs in a saga register one for each, with keys of their own."""
    hub.start(
        """
        do:
          - s:
              saga:
                - each:
                    for_each: [1, 2]
                    each: n
                    do: [{ a: { call: Echo, with: "${ n }", compensate: { call: Undo, with: "${ n }" } } }]
                - fan:
                    fan_out: [x, y]
                    each: n
                    width: 1
                    do: [{ a: { call: Echo, with: "${ n }", compensate: { call: Undo, with: "${ n }" } } }]
                - raise: { error: No }
        """
    )
    hub.run()
    assert ledger.undone == ["y", "x", 2, 1]
    assert len({*ledger.keys("Undo"), *ledger.keys("Echo")}) == 8


def test_a_canceled_branch_undoes_its_own_saga(hub: Hub, ledger: Ledger) -> None:
    """The race goes on when the loser has undone; what the race's saga holds is left to that."""
    hub.manual = True
    hub.start(
        """
        do:
          - r:
              race:
                slow:
                  - s:
                      saga:
                        - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                        - b: { call: Echo, with: b }
                fast: [{ c: { call: Echo, with: c } }]
          - return: ${ r.winner }
        """
    )
    hub.run()
    finish_all(hub, "a", "c")
    assert [task.name for task in hub.open if task.input == "a"] == ["Undo"]
    assert hub.status() == "Running"
    hub.crash()
    hub.manual = False
    hub.run()
    assert (hub.output(), ledger.undone) == ("fast", ["a"])


def test_nothing_cancels_a_compensation(hub: Hub, ledger: Ledger) -> None:
    """A time limit that passes while something is undone waits until it is."""
    ledger.how = flaky(3)
    hub.start(
        """
        do:
          - limited:
              timeout: 5s
              do:
                - s:
                    saga:
                      - a: { call: Echo, with: a, compensate: { call: Undo, retry: {
                                attempts: 9, delay: 4s, backoff: 1 } } }
                      - raise: { error: No }
        """
    )
    hub.advance(11)
    assert hub.status() == "Running"
    hub.crash()
    hub.advance(1)
    error = hub.error()
    assert (error["type"], error["step"]) == ("perdure.Timeout", "limited")
    assert outcomes(error) == [("a", "undone")]


def test_a_time_limit_undoes_what_it_cuts_short(hub: Hub, ledger: Ledger) -> None:
    """The cancellation leaves the saga, and the step with the limit fails with the report."""
    hub.start(
        """
        do:
          - t:
              timeout: 5s
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - w: { wait: 1h }
        """
    )
    hub.advance(5)
    error = hub.error()
    assert (error["type"], ledger.undone) == ("perdure.Timeout", ["a"])
    assert outcomes(error) == [("a", "undone")]


def test_a_branch_that_fails_fast_tells_what_the_others_undid(hub: Hub, ledger: Ledger) -> None:
    """The error of the group has its own compensations and those of the branches that it canceled."""
    hub.start(
        """
        do:
          - p:
              parallel:
                one:
                  - s:
                      saga:
                        - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                        - w: { wait: 1h }
                two:
                  - s:
                      saga:
                        - b: { call: Echo, with: b, compensate: { call: Undo, with: b } }
                        - w: { wait: 1m }
                        - raise: { error: No }
        """
    )
    hub.advance(60)
    assert hub.error()["type"] == "No"
    assert sorted(outcomes(hub.error())) == [("a", "undone"), ("b", "undone")]
    assert sorted(ledger.undone) == ["a", "b"]


def test_a_step_that_was_undone_is_another_call_in_the_next_attempt(hub: Hub, ledger: Ledger) -> None:
    """An activity that remembers its keys must not take it for done, nor its undoing for undone."""
    hub.activity("Last", flaky(2))
    hub.start(
        """
        do:
          - all:
              retry: { attempts: 3, delay: 0s }
              do:
                - s:
                    saga:
                      - a:
                          call: Echo
                          with: a
                          compensate: { call: Undo, with: "${ step.idempotency_key }" }
                      - b: { call: Last }
          - return: done
        """
    )
    hub.run()
    assert hub.output() == "done"
    echoes, undos = ledger.keys("Echo"), ledger.keys("Undo")
    assert (len(echoes), len(set(echoes))) == (3, 3)
    assert (len(undos), len(set(undos))) == (2, 2)
    assert ledger.undone == echoes[:2]
    assert len({(event.path, event.key) for event in hub.scheduled() if event.name == "Last"}) == 1


def test_a_step_that_was_not_undone_is_the_same_call(hub: Hub, ledger: Ledger) -> None:
    """A retry inside the saga repeats the call under its key, and it is undone once."""
    hub.activity("Last", flaky(1))
    hub.start(
        """
        do:
          - s:
              saga:
                - all:
                    retry: { attempts: 2, delay: 0s }
                    do:
                      - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                      - b: { call: Last }
                - raise: { error: No }
        """
    )
    hub.run()
    assert hub.error()["type"] == "No"
    assert (len(ledger.keys("Echo")), len(set(ledger.keys("Echo")))) == (2, 1)
    assert ledger.undone == ["a"]


def test_what_could_not_be_undone_is_not_tried_again(hub: Hub, ledger: Ledger) -> None:
    """Nobody knows what another attempt would meet: the error is not retried."""
    ledger.stubborn = {"no"}
    hub.start(
        """
        do:
          - all:
              retry: { attempts: 3, delay: 0s }
              do:
                - s:
                    saga:
                      - a: { call: Echo, with: a, compensate: { call: Undo, with: no } }
                      - b: { call: Fail, with: x }
        """
    )
    hub.run()
    assert (hub.error()["type"], len(ledger.keys("Echo"))) == ("Broken", 1)


@pytest.mark.usefixtures("few_instructions")
def test_an_endless_computation_in_a_saga_is_undone(hub: Hub, ledger: Ledger) -> None:
    """There are instructions left for what cleans up."""
    hub.start(
        """
        vars: { n: 0 }
        do:
          - s:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - l: { while: "${ true }", limit: 100000000, do: [{ x: { value: 1 } }] }
        """
    )
    hub.run()
    assert (hub.error()["type"], ledger.undone) == ("perdure.LimitExceeded", ["a"])


def test_an_error_of_an_expression_in_a_compensation_is_its_failure(hub: Hub, ledger: Ledger) -> None:
    """The others are undone; the report has the place."""
    hub.start(
        """
        do:
          - s:
              saga:
                - a: { call: Echo, with: 0, compensate: { call: Undo, with: a } }
                - b: { call: Echo, with: 0, compensate: { call: Undo, with: "${ 1 / b }" } }
                - raise: { error: No }
        """
    )
    hub.run()
    assert outcomes(hub.error()) == [("b", "failed"), ("a", "undone")]
    assert hub.error()["compensation"][0]["error"]["type"] == "perdure.Expression"


BOOK = """
dsl: perdure/1
name: book
version: 1.0.0
do: [ { made: { call: Echo, with: "${ input }" } }, return: "${ made }" ]
"""
UNBOOK = """
dsl: perdure/1
name: unbook
version: 1.0.0
do: [ { gone: { call: Undo, with: "${ input }" } } ]
"""


def test_children_are_undone_by_children(hub: Hub, ledger: Ledger) -> None:
    """Each try of the whole has children of its own, and each is undone by one of its own."""
    hub.deploy(BOOK)
    hub.deploy(UNBOOK)
    hub.activity("Last", flaky(1))
    hub.start(
        """
        do:
          - all:
              retry: { attempts: 2, delay: 0s }
              do:
                - s:
                    saga:
                      - a:
                          call_workflow: book
                          with: a
                          compensate: { call_workflow: unbook, with: "${ a }" }
                      - b: { call: Last }
          - return: done
        """
    )
    hub.run()
    assert (hub.output(), ledger.undone) == ("done", ["a"])
    asked = [each for each in hub.events() if isinstance(each, SubOrchestrationInstanceCreated)]
    assert [each.name for each in asked] == ["book", "unbook", "book"]
    assert len({each.instance for each in asked}) == 3


def test_an_operator_says_that_something_is_undone(hub: Hub, ledger: Ledger) -> None:
    """A compensation that is stuck can be resolved by hand; the step that failed waits for nothing."""
    hub.manual = True
    hub.start(
        """
        do:
          - s:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - b: { call: Fail, with: b }
        """
    )
    hub.run()
    finish_all(hub, "a", "b")
    hub.resolve("do/0/s/saga/1/b", "no")
    hub.run()
    assert hub.status() == "Running"
    hub.resolve("do/0/s/saga/0/a/compensate", "by hand")
    hub.run()
    assert (outcomes(hub.error()), ledger.undone) == ([("a", "undone")], [])


def test_ids_made_in_a_compensation_and_after_it_differ(hub: Hub, ledger: Ledger) -> None:
    """``uuid`` of a step that was undone is another one, like its key; in other retries it stays."""
    hub.activity("Last", flaky(1))
    hub.start(
        """
        do:
          - all:
              retry: { attempts: 2, delay: 0s }
              do:
                - s:
                    saga:
                      - a: { call: Echo, with: "${ uuid('a') }", compensate: { call: Undo, with: "${ a }" } }
                      - b: { call: Last }
        """
    )
    hub.run()
    made = [task.input for task in hub.calls if task.name == "Echo"]
    assert (len(set(made)), ledger.undone) == (2, made[:1])
