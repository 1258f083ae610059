"""``parallel`` and ``race``."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.events import TimerCanceled
from tests.engine.driver import SECOND, START, Hub
from tests.engine.functions import finish_all, offer


def output_of(hub: Hub, text: str, given: Any = None) -> Any:
    """What a document that needs no time returns."""
    offer(hub)
    hub.start(text, given)
    hub.run()
    return hub.output()


def manual(hub: Hub, text: str) -> None:
    """Start a document whose activities wait for the test."""
    offer(hub)
    hub.manual = True
    hub.start(text)
    hub.run()


def test_a_parallel_is_the_map_of_its_branches(hub: Hub) -> None:
    """Each branch's value under its name, in the document's order."""
    value = output_of(
        hub,
        """
        do:
          - p: { parallel: { b: [{ x: { call: Echo, with: 1 } }], a: [{ y: { call: Echo, with: 2 } }] } }
          - return: ${ p }
        """,
    )
    assert list(value.items()) == [("b", 1), ("a", 2)]


def test_branches_run_side_by_side(hub: Hub) -> None:
    """All branches are begun before any has ended; branches may use the same names."""
    manual(
        hub,
        "do: [{ p: { parallel: { a: [{ x: { call: Echo, "
        "with: 1 } }], b: [{ x: { call: Echo, with: 2 } }] } } }]",
    )
    assert [task.input for task in hub.open] == [1, 2]
    finish_all(hub, 2, 1)
    assert hub.status() == "Completed"


TWO = """
do:
  - t:
      try:
        - p:
            parallel:
              bad: [{ x: { call: Fail, with: 1 } }, { w: { call: Fail, with: 9 } }]
              good: [{ y: { call: Echo, with: 2 } }]
            POLICY
        - output: ${ p }
      catch: [{ do: [{ output: "${ error }" }] }]
  - return: ${ t }
"""


def test_a_failed_branch_cancels_the_others(hub: Hub) -> None:
    """``fail_fast``: the first error is raised unchanged, the other branches are told to stop."""
    manual(hub, TWO.replace("POLICY", ""))
    finish_all(hub, 1)
    error = hub.output()
    assert (error["type"], error["step"], error["path"]) == ("Broken", "x", "do/0/t/try/0/p/parallel/bad/0/x")
    assert hub.canceled == [task.id for task in hub.calls if task.input == 2]


def test_collect_gives_value_and_error_of_each_branch(hub: Hub) -> None:
    """With ``on_failure: collect`` nothing is raised, and all branches run to their end."""
    value = output_of(hub, TWO.replace("POLICY", "on_failure: collect"))
    assert value["good"] == {"value": 2, "error": None}
    assert (value["bad"]["value"], value["bad"]["error"]["type"]) == (None, "Broken")


def test_branches_do_not_see_each_other(hub: Hub) -> None:
    """A branch has a copy of what was visible before."""
    assert output_of(
        hub,
        """
        do:
          - n: { value: 1 }
          - p:
              parallel:
                a: [{ x: { value: "${ n + 1 }" } }]
                b: [{ x: { value: "${ n + 2 }" } }]
          - return: ${ p }
        """,
    ) == {"a": 2, "b": 3}


RACE = """
do:
  - r:
      race:
        left: [{ x: { call: Echo, with: left } }]
        right: [{ y: { call: Echo, with: right } }]
        timer: [{ w: { wait: 1h } }, { output: late }]
        event: [{ e: { wait_for_event: Go, timeout: 2h } }]
  - return: ${ r }
"""


@pytest.mark.parametrize("first", ["left", "right"])
def test_the_first_branch_that_ends_wins(hub: Hub, first: str) -> None:
    """A ``race`` is its winner's name and value."""
    manual(hub, RACE)
    finish_all(hub, first)
    assert hub.output() == {"winner": first, "value": first}


def test_the_losers_are_canceled(hub: Hub) -> None:
    """Their timers are deleted, their activities told to stop."""
    manual(hub, RACE)
    finish_all(hub, "left")
    assert hub.canceled == [task.id for task in hub.calls if task.input == "right"]
    assert sum(isinstance(event, TimerCanceled) for event in hub.events()) == 2
    assert hub.store.next_timer(hub.slots) is None


@pytest.mark.parametrize(("seconds", "winner"), [(3599, "event"), (3600, "timer")])
def test_a_timer_and_an_event(hub: Hub, seconds: float, winner: str) -> None:
    """Whichever comes first in the history."""
    manual(hub, RACE)
    hub.advance(seconds)
    hub.raise_event("Go", "event") if winner == "event" else None
    hub.run()
    assert hub.output()["winner"] == winner


def test_of_two_that_end_in_one_turn_the_first_in_history_wins(hub: Hub) -> None:
    """Two results in one turn are told apart by their order."""
    manual(hub, RACE)
    for value in ("right", "left"):
        hub.finish(next(task for task in hub.open if task.input == value))
    hub.run()
    assert hub.output()["winner"] == "right"


def test_of_two_that_end_at_once_the_first_in_the_document_wins(hub: Hub) -> None:
    """Branches that wait for nothing are decided by the document's order; later ones do not even start."""
    assert output_of(
        hub,
        """
        do:
          - r: { race: { b: [{ v: { value: 1 } }], a: [{ w: { value: 2 } }], c: [{ x: { call: Echo,
                with: 3 } }] } }
          - return: ${ r }
        """,
    ) == {"winner": "b", "value": 1}
    assert hub.calls == []


def test_a_branch_that_ends_with_an_error_decides_too(hub: Hub) -> None:
    """The race raises the error of the first branch that ends."""
    offer(hub)
    hub.start("do: [{ r: { race: { a: [{ x: { call: Fail, with: 1 } }], b: [{ y: { wait: 1h } }] } } }]")
    hub.run()
    assert (hub.error()["type"], hub.error()["step"]) == ("Broken", "x")


def test_an_error_that_is_caught_inside_lets_the_others_go_on(hub: Hub) -> None:
    """A branch that waits after its error does not decide."""
    offer(hub)
    hub.start(
        """
        do:
          - r:
              race:
                a:
                  - t: { try: [{ x: { call: Fail, with: 1 } }], catch: [{ do: [{ w: { wait: 2h } }] }] }
                b: [{ y: { wait: 1h } }, { output: patient }]
          - return: ${ r }
        """
    )
    hub.advance(7200)
    assert hub.output() == {"winner": "b", "value": "patient"}


def test_events_of_a_loser_stay_buffered(hub: Hub) -> None:
    """An event that arrives after its wait has lost is there for the next wait."""
    offer(hub)
    hub.start(
        """
        do:
          - r: { race: { e: [{ x: { wait_for_event: Go, timeout: never } }], t: [{ y: { wait: 1m } }] } }
          - pause: { wait: 1m }
          - later: { wait_for_event: Go, timeout: 1m }
          - return: ${ [r.winner, later] }
        """
    )
    hub.advance(61)
    hub.raise_event("Go", 7)
    hub.advance(60)
    assert hub.output() == ["t", 7]


def test_events_that_a_loser_had_collected_go_back_to_the_buffer(hub: Hub) -> None:
    """A wait for several events that loses gives back those it had, in order."""
    offer(hub)
    hub.start(
        """
        do:
          - r: { race: { e: [{ x: { wait_for_event: Go, count: 3, timeout: never } }],
                t: [{ y: { wait: 1m } }] } }
          - later: { wait_for_event: Go, count: 3, timeout: 1m }
          - return: ${ [r.winner, later] }
        """
    )
    hub.raise_event("Go", 1)
    hub.raise_event("Go", 2)
    hub.advance(60)
    hub.raise_event("Go", 3)
    hub.run()
    assert hub.output() == ["t", [1, 2, 3]]


def test_events_that_a_loser_had_collected_go_to_who_waits_for_them(hub: Hub) -> None:
    """Another wait of that name gets what a canceled one gives back."""
    offer(hub)
    hub.start(
        """
        do:
          - p:
              parallel:
                a:
                  - r: { race: { e: [{ x: { wait_for_event: Go, count: 3, timeout: never } }],
                        t: [{ y: { wait: 1m } }] } }
                b: [{ after: { wait: 1s } }, { two: { wait_for_event: Go, count: 2, timeout: 1h } },
                      { output: "${ two }" }]
          - return: ${ p.b }
        """
    )
    hub.raise_event("Go", 1)
    hub.raise_event("Go", 2)
    hub.advance(60)
    assert hub.output() == [1, 2]
    assert hub.instance().ended_at == START + 60 * SECOND


def test_finally_of_a_loser_runs_before_the_step_ends(hub: Hub) -> None:
    """The race has its value when the losers have cleaned up."""
    offer(hub)
    hub.start(
        """
        do:
          - r:
              race:
                slow:
                  - t:
                      try: [{ x: { wait: 1h } }]
                      finally: [{ c: { call: Echo, with: cleaning } }, { w: { wait: 10s } }]
                quick: [{ y: { wait: 1m } }]
          - done: { call: Echo, with: done }
        """
    )
    hub.advance(65)
    assert [task.input for task in hub.calls] == ["cleaning"]
    hub.advance(5)
    assert ([task.input for task in hub.calls], hub.status()) == (["cleaning", "done"], "Completed")


def test_an_error_in_the_finally_of_a_loser_changes_nothing(hub: Hub) -> None:
    """The outcome stands when it is decided."""
    offer(hub)
    hub.start(
        """
        do:
          - r:
              race:
                slow: [{ t: { try: [{ x: { wait: 1h } }], finally: [{ c: { call: Fail, with: 1 } }] } }]
                quick: [{ y: { wait: 1m } }]
          - return: ${ r.winner }
        """
    )
    hub.advance(60)
    assert hub.output() == "quick"


def test_a_loser_whose_work_is_in_groups_is_canceled_through_and_through(hub: Hub) -> None:
    """Groups inside a losing branch end with all they have started."""
    manual(
        hub,
        """
        do:
          - r:
              race:
                slow:
                  - all: { fan_out: [1, 2], do: [{ q: { parallel: { a: [{ x: { call: Echo,
                        with: "${ item }" } }], b: [{ z: { wait: 1h } }] } } }] }
                quick: [{ y: { wait: 1m } }]
          - return: ${ r.winner }
        """,
    )
    hub.advance(60)
    assert (hub.output(), len(hub.canceled), hub.kinds().count("TimerCanceled")) == ("quick", 2, 2)


def test_a_race_in_a_loop(hub: Hub) -> None:
    """Reminders until the answer comes: nothing is left of earlier rounds."""
    offer(hub)
    hub.start(
        """
        vars: { asked: 0 }
        do:
          - l:
              until: ${ first.winner == 'answer' }
              limit: 10
              do:
                - first:
                    race:
                      answer: [{ reply: { wait_for_event: Reply, timeout: never } }]
                      reminder: [{ day: { wait: 24h } }]
                - if: ${ first.winner == 'reminder' }
                  then: [{ set: { asked: "${ vars.asked + 1 }" } }]
          - return: ${ vars.asked }
        """
    )
    hub.advance(3 * 86_400)
    hub.raise_event("Reply", "yes")
    hub.run()
    assert hub.output() == 3


def test_a_crash_during_a_race(hub: Hub) -> None:
    """A race goes on after a crash, with what it waited for."""
    offer(hub)
    hub.start(
        "do: [{ r: { race: { a: [{ x: { wait: 1h } }], "
        "b: [{ y: { wait: 2h } }] } } }, { return: '${ r.winner }' }]"
    )
    hub.advance(60)
    hub.crash()
    hub.advance(3600)
    assert hub.output() == "a"


def test_a_loser_that_had_done_its_work_may_clean_up(hub: Hub) -> None:
    """What it has come to is not asked for any more, and its clean-up is not a failure."""
    offer(hub)
    hub.start(
        """
        do:
          - r:
              race:
                slow:
                  - t:
                      try: [{ x: { value: 1 } }]
                      finally: [{ c: { call: Echo, with: cleaning } }, { w: { wait: 2m } }]
                quick: [{ y: { wait: 1m } }]
          - return: ${ r.winner }
        """
    )
    hub.advance(60)
    assert ([task.input for task in hub.calls], hub.status()) == (["cleaning"], "Running")
    hub.advance(60)
    assert hub.output() == "quick"
