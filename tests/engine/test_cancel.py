"""Canceling an instance: everything stops, cleans up and is undone, and it ends ``Canceled``."""

from __future__ import annotations

import pytest

from perdure.engine.errors import Ended
from perdure.engine.events import Asker, ExecutionCanceled, TaskCanceled, TaskCompleted
from tests.engine.driver import START, Hub
from tests.engine.functions import echo, finish_all, flaky, offer
from tests.engine.ledger import Ledger, outcomes
from tests.engine.test_nondeterminism import parked, restore

WAITING = """
do:
  - all:
      parallel:
        task: [{ a: { call: Echo, with: 1 } }]
        timer: [{ b: { wait: 1h } }]
        event: [{ c: { wait_for_event: Go, timeout: 2h } }]
  - return: ${ all }
"""


def waiting(hub: Hub) -> None:
    """An instance that waits for an activity, a timer and an event."""
    offer(hub)
    hub.manual = True
    hub.start(WAITING)
    hub.run()


def test_an_instance_that_is_canceled_ends_so(hub: Hub) -> None:
    """Status, reason and error say it; nothing is left open, and the activity is told to stop."""
    waiting(hub)
    hub.cancel("out of stock")
    hub.run()
    row = hub.instance()
    assert (row.status, row.reason, row.ended_at) == ("Canceled", "out of stock", START)
    assert hub.error()["type"] == "perdure.Canceled"
    assert (hub.error()["message"], hub.error()["path"]) == ("canceled: out of stock", "do/0/all")
    assert [task.id for task in hub.open] == hub.canceled


def test_it_may_be_canceled_without_a_reason(hub: Hub) -> None:
    """Then there is none to tell."""
    waiting(hub)
    hub.cancel()
    hub.run()
    assert (hub.instance().reason, hub.error()["message"]) == (None, "canceled")


def test_a_result_after_it_is_superseded(hub: Hub) -> None:
    """The activity ends when it likes; the history has no result of it."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start(
        """
        do:
          - a: { try: [{ b: { call: Echo, with: 1 } }], finally: [{ w: { wait: 1m } }] }
        """
    )
    hub.run()
    hub.cancel()
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    assert hub.owner.superseded == 1
    hub.advance(60)
    assert hub.status() == "Canceled"
    assert not any(isinstance(event, TaskCompleted) for event in hub.events())
    assert sum(isinstance(event, TaskCanceled) for event in hub.events()) == 1


def test_finally_runs_in_every_branch(hub: Hub) -> None:
    """Branches are canceled first, then what is around them."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try:
                - p:
                    parallel:
                      a:
                        - x: { try: [{ w: { wait: 1h } }], finally: [{ f: { call: Echo, with: inner } }] }
                      b: [{ w: { wait_for_event: Go, timeout: never } }]
              finally: [{ f: { call: Echo, with: outer } }]
          - after: { call: Echo, with: never }
        """
    )
    hub.run()
    hub.cancel()
    hub.run()
    assert ([task.input for task in hub.calls], hub.status()) == (["inner", "outer"], "Canceled")


@pytest.mark.parametrize("crash", [False, True])
def test_what_was_done_is_undone(hub: Hub, crash: bool) -> None:
    """The error tells what was, and what could not be."""
    ledger = Ledger(hub)
    ledger.stubborn = {"a"}
    hub.start(
        """
        do:
          - s:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - b: { call: Echo, with: b, compensate: { call: Undo, with: b } }
                - w: { wait: 1h }
        """
    )
    hub.run()
    hub.cancel("changed my mind")
    hub.manual = True
    hub.run()
    if crash:
        hub.crash()
    hub.manual = False
    hub.run()
    for task in list(hub.open):
        hub.finish(task)
    hub.run()
    assert (hub.status(), ledger.undone) == ("Canceled", ["b"])
    assert outcomes(hub.error()) == [("b", "undone"), ("a", "failed")]


def test_branches_tell_what_they_undid(hub: Hub) -> None:
    """Each branch undoes its own saga; the error of the instance has them all."""
    ledger = Ledger(hub)
    hub.start(
        """
        do:
          - all:
              fan_out: [1, 2, 3]
              do:
                - s:
                    saga:
                      - a: { call: Echo, with: "${ item }", compensate: { call: Undo, with: "${ item }" } }
                      - w: { wait: 1h }
        """
    )
    hub.run()
    hub.cancel()
    hub.run()
    assert sorted(ledger.undone) == [1, 2, 3]
    assert sorted(each["path"] for each in hub.error()["compensation"]) == [
        f"do/0/all[{item}]/do/0/s/saga/0/a" for item in range(3)
    ]


def test_a_clause_for_it_runs_and_cannot_keep_it_up(hub: Hub) -> None:
    """``return``, an error or another generation in the clause does not change how the instance ends."""
    offer(hub)
    hub.start(
        """
        do:
          - t:
              try: [{ w: { wait: 1h } }]
              catch:
                - errors: [perdure.Canceled]
                  do: [{ e: { call: Echo, with: "${ error.message }" } }, { return: 1 }]
        """
    )
    hub.run()
    hub.cancel("why not")
    hub.run()
    assert ([task.input for task in hub.calls], hub.status()) == (["canceled: why not"], "Canceled")


def test_a_second_cancel_changes_nothing(hub: Hub) -> None:
    """The cleanup goes on, and the first reason stays."""
    hub.start("do: [{ t: { try: [{ w: { wait: 1h } }], finally: [{ f: { wait: 1m } }] } }]")
    hub.run()
    hub.cancel("first")
    hub.run()
    hub.cancel("second")
    hub.advance(59)
    assert hub.status() == "Running"
    hub.advance(1)
    assert (hub.status(), hub.instance().reason) == ("Canceled", "first")


def test_what_ended_on_its_way_is_not_canceled(hub: Hub) -> None:
    """A cancel that comes too late is a dead letter; one that is sent afterwards is refused."""
    hub.start("do: [{ v: { value: 1 } }]")
    hub.cancel()
    hub.run()
    assert hub.status() == "Completed"
    assert [letter.kind for letter in hub.store.dead_letters()] == ["ExecutionCanceled"]
    with pytest.raises(Ended):
        hub.cancel()


def test_a_suspended_instance_hears_of_it_when_it_is_resumed(hub: Hub) -> None:
    """Behind what came before: a result that was there already is not lost for its compensation."""
    ledger = Ledger(hub)
    hub.manual = True
    hub.start(
        """
        do:
          - s:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - w: { wait: 1h }
        """
    )
    hub.run()
    hub.suspend()
    hub.run()
    finish_all(hub, "a")
    hub.cancel("enough")
    hub.run()
    hub.crash()
    hub.run()
    assert hub.status() == "Suspended"
    hub.manual = False
    hub.resume()
    hub.run()
    assert (hub.status(), hub.instance().reason, ledger.undone) == ("Canceled", "enough", ["a"])


def test_a_cancel_outlives_the_generation_that_recorded_it(hub: Hub) -> None:
    """What is heard at the resume may end the generation: the next one is canceled before its first step."""
    offer(hub)
    hub.start(
        """
        do:
          - n: { call: Echo, with: "${ input }" }
          - go: { wait_for_event: Go, timeout: never }
          - continue_as_new: { input: "${ n + 1 }" }
        """,
        1,
    )
    hub.run()
    hub.suspend()
    hub.run()
    hub.raise_event("Go")
    hub.run()
    hub.cancel("enough")
    hub.run()
    hub.resume()
    hub.run()
    assert (hub.status(), hub.instance().generation, hub.instance().reason) == ("Canceled", 2, "enough")
    assert [task.input for task in hub.calls] == [1]


def test_an_instance_that_never_waits_can_be_canceled(hub: Hub) -> None:
    """Between two generations."""
    hub.start("do: [{ continue_as_new: { input: 1 } }]")
    for _ in range(3):
        hub.round()
    hub.cancel("endless")
    hub.run(20)
    assert (hub.status(), hub.instance().reason) == ("Canceled", "endless")


def test_cancel_before_the_first_turn(hub: Hub) -> None:
    """It has begun and is canceled in one turn: no activity ever runs."""
    offer(hub)
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.cancel()
    hub.run()
    assert (hub.status(), hub.calls) == ("Canceled", [])


def test_a_parked_instance_hears_of_it_after_it_is_repaired(hub: Hub) -> None:
    """It cannot clean up as it is; terminate ends it at once."""
    program = parked(hub)
    hub.cancel("enough")
    hub.run()
    hub.crash()
    hub.run()
    assert (hub.status(), len(hub.leftovers())) == ("Suspended", 3)
    restore(hub, program)
    hub.resume()
    hub.run()
    assert (hub.status(), hub.instance().reason) == ("Canceled", "enough")
    assert [task.input for task in hub.calls] == [7]


def test_a_cancel_while_something_is_undone_waits_for_it(hub: Hub) -> None:
    """Nothing cancels a compensation; the instance ends canceled."""
    ledger = Ledger(hub)
    ledger.how = flaky(2)
    hub.start(
        """
        do:
          - s:
              saga:
                - a:
                    call: Echo
                    with: a
                    compensate: { call: Undo, with: a, retry: { attempts: 3, delay: 5s, backoff: 1 } }
                - raise: { error: No }
        """
    )
    hub.run()
    hub.cancel("late")
    hub.advance(9)
    assert hub.status() == "Running"
    hub.advance(1)
    assert (hub.status(), ledger.undone) == ("Canceled", ["a"])
    assert (hub.error()["message"], outcomes(hub.error())) == ("canceled: late", [("a", "undone")])


def test_the_history_has_who_asked(hub: Hub) -> None:
    """As the event that it is."""
    waiting(hub)
    hub.cancel("why")
    hub.run()
    assert [event for event in hub.events() if isinstance(event, ExecutionCanceled)] == [
        ExecutionCanceled(reason="why")
    ]


@pytest.mark.parametrize("moment", range(7))
def test_a_crash_around_it_changes_nothing(hub: Hub, moment: int) -> None:
    """Once it is committed it takes effect, and the cleanup is done once."""
    ledger = Ledger(hub)
    hub.start(
        """
        do:
          - s: { saga: [ a: { call: Echo, with: a, compensate: { call: Undo, with: a } }, w: { wait: 1h } ] }
        """
    )
    hub.run()
    hub.cancel()
    for _ in range(moment):
        hub.round()
    hub.crash()
    hub.run()
    assert (hub.status(), ledger.undone[-1]) == ("Canceled", "a")
    assert len(set(ledger.keys("Undo"))) == len(ledger.keys("Undo")) == 1


def test_a_cancel_of_somebody_elses_parent_is_not_for_it(hub: Hub) -> None:
    """It was for an instance that had this id before; nobody misses it."""
    hub.start("do: [ { e: { wait_for_event: Go, timeout: never } }, { return: '${ e }' } ]")
    hub.run()
    hub.send(ExecutionCanceled(parent=Asker("p", "x", 1)))
    hub.run()
    hub.raise_event("Go", 1)
    hub.run()
    assert (hub.output(), hub.store.dead_letters()) == (1, [])
