"""``limits``: what happens when a history grows too long."""

from __future__ import annotations

import pytest

from tests.engine.driver import Hub
from tests.engine.functions import offer
from tests.engine.ledger import Ledger, outcomes

LOOP = """
limits: { history_events: 50, on_exceed: EXCEED }
do:
  - r: { until: "${ n == 99 }", at: n, limit: 100, do: [{ a: { call: Echo, with: "${ n }" } }] }
  - return: ${ r }
"""


def test_a_long_history_is_suspended_and_can_go_on(hub: Hub) -> None:
    """With the limit as the reason; each resume allows a tenth more."""
    offer(hub)
    hub.start(LOOP.replace("EXCEED", "suspend"))
    hub.run()
    assert hub.status() == "Suspended"
    assert hub.instance().reason == "limit: the history has 50 events, the limit is 50"
    hub.crash()
    resumes = 0
    while hub.status() == "Suspended":
        before = hub.rows()[-1].next_seq
        hub.resume()
        hub.run()
        resumes += 1
        assert hub.status() == "Completed" or 5 <= hub.rows()[-1].next_seq - before <= 8
    assert (hub.output(), hub.instance().reason) == (99, None)
    assert resumes > 20
    assert [task.input for task in hub.calls] == list(range(100))


def test_suspend_is_what_happens_by_itself(hub: Hub) -> None:
    """``on_exceed`` need not be said."""
    offer(hub)
    hub.start(LOOP.replace(", on_exceed: EXCEED", ""))
    hub.run()
    assert hub.status() == "Suspended"
    hub.terminate()
    hub.run()


def test_a_warning_comes_before(hub: Hub) -> None:
    """Once, at four fifths of the limit, whether it is read again from the database or not."""
    offer(hub)
    hub.start(LOOP.replace("EXCEED", "suspend"))
    hub.run()
    assert [(line.level, line.message) for line in hub.logs] == [
        ("warning", "the history has 40 events, the limit is 50")
    ]
    hub.terminate()
    hub.run()


def test_what_is_to_fail_cleans_up_first(hub: Hub) -> None:
    """The error is the limit's, with what was undone."""
    ledger = Ledger(hub)
    hub.start(
        """
        limits: { history_events: 30, on_exceed: fail }
        do:
          - s:
              saga:
                - first: { call: Echo, with: first, compensate: { call: Undo, with: first } }
                - r: { until: "${ n == 99 }", at: n, limit: 100, do: [{ a: { call: Echo, with: "${ n }" } }] }
        """
    )
    hub.run()
    error = hub.error()
    assert (error["type"], error["message"]) == (
        "perdure.LimitExceeded",
        "the history has 30 events, the limit is 30",
    )
    assert (outcomes(error), ledger.undone) == ([("first", "undone")], ["first"])


@pytest.mark.parametrize("length", [23, 24, 25])
def test_a_history_that_ends_in_time_is_not_stopped(hub: Hub, length: int) -> None:
    """The last step may reach the limit."""
    offer(hub)
    hub.start(LOOP.replace("EXCEED", "fail").replace("n == 99", f"n == {length - 1}"))
    hub.run()
    assert hub.status() == ("Completed" if length <= 24 else "Failed")


def test_each_generation_has_a_history_of_its_own(hub: Hub) -> None:
    """A loop with checkpoints never reaches the limit."""
    offer(hub)
    hub.start(LOOP.replace("EXCEED", "fail").replace("limit: 100,", "limit: 100, checkpoint_every: 10,"))
    hub.run()
    assert hub.output() == 99


def test_a_user_may_suspend_it_meanwhile(hub: Hub) -> None:
    """One resume is enough for both."""
    offer(hub)
    hub.start(LOOP.replace("EXCEED", "suspend").replace("n == 99", "n == 25"))
    hub.run()
    hub.suspend()
    hub.run()
    hub.resume()
    hub.run()
    assert hub.output() == 25
