"""``saga``: what is undone, in which order, how often, and what the error says of it."""

from __future__ import annotations

import pytest

from perdure.engine.activities import ActivityError
from perdure.engine.events import TaskScheduled
from tests.engine.driver import Hub
from tests.engine.functions import finish_all, flaky
from tests.engine.ledger import Ledger, outcomes, trip


@pytest.fixture
def ledger(hub: Hub) -> Ledger:
    """The activities ``Echo``, ``Fail`` and ``Undo``, and what became of them."""
    return Ledger(hub)


def test_what_was_done_is_undone_in_reverse(hub: Hub, ledger: Ledger) -> None:
    """The last step first; the step that failed is not undone; the error goes on and tells it."""
    hub.start(trip())
    hub.run()
    assert ledger.undone == ["hotel", "flight"]
    error = hub.error()
    assert (error["type"], error["step"]) == ("Broken", "car")
    assert error["compensation"] == [
        {"step": "hotel", "path": "do/0/trip/saga/1/hotel", "outcome": "undone", "error": None},
        {"step": "flight", "path": "do/0/trip/saga/0/flight", "outcome": "undone", "error": None},
    ]


def test_what_went_well_is_not_undone(hub: Hub, ledger: Ledger) -> None:
    """The saga has the value of its block."""
    hub.start("do: [{ t: { saga: [{ a: { call: Echo, with: 1, compensate: { call: Undo } } }] } }, "
              '{ return: "${ t }" }]')  # fmt: skip
    hub.run()
    assert (hub.output(), ledger.undone) == (1, [])


@pytest.mark.parametrize("word", ["return: 5", "break"])
def test_return_and_break_leave_a_saga_well(hub: Hub, ledger: Ledger, word: str) -> None:
    """Nothing is undone."""
    hub.start(
        f"""
        do:
          - each:
              for_each: [1]
              do:
                - t: {{ saga: [ a: {{ call: Echo, with: 1, compensate: {{ call: Undo }} }}, {word} ] }}
          - return: 5
        """
    )
    hub.run()
    assert (hub.output(), ledger.undone) == (5, [])


def test_an_error_that_is_caught_inside_undoes_nothing(hub: Hub, ledger: Ledger) -> None:
    """Only the error that leaves the saga counts."""
    hub.start(
        """
        do:
          - t:
              saga:
                - a: { call: Echo, with: 1, compensate: { call: Undo, with: 1 } }
                - b: { try: [{ c: { call: Fail, with: x } }], catch: [{ do: [{ output: caught }] }] }
                - output: ${ b }
          - return: ${ t }
        """
    )
    hub.run()
    assert (hub.output(), ledger.undone) == ("caught", [])


def test_the_error_can_be_caught_after_everything_is_undone(hub: Hub, ledger: Ledger) -> None:
    """A clause around the saga sees what was undone."""
    hub.start(
        """
        do:
          - t:
              try:
                - s: { saga: [ a: { call: Echo, with: 1, compensate: { call: Undo, with: 1 } },
                               b: { call: Fail, with: x } ] }
              catch: [{ do: [{ output: "${ error.compensation.map(c, c.outcome) }" }] }]
          - return: ${ t }
        """
    )
    hub.run()
    assert (hub.output(), ledger.undone) == (["undone"], [1])


def test_a_compensation_sees_what_its_step_saw(hub: Hub, ledger: Ledger) -> None:
    """Names and variables have the values that they had then; ``step`` tells of the call."""
    hub.start(
        """
        vars: { n: 1 }
        do:
          - before: { value: 7 }
          - s:
              saga:
                - a:
                    call: Echo
                    with: x
                    idempotency_key: my-key
                    compensate: { call: Undo, with: [ "${ before }", "${ vars.n }", "${ a }", "${ step }" ] }
                - set: { n: 2 }
                - raise: { error: No }
        """
    )
    hub.run()
    assert ledger.undone == [[7, 1, "x", {"idempotency_key": "my-key", "attempt": 1}]]


def test_attempted_undoes_what_may_have_happened(hub: Hub, ledger: Ledger) -> None:
    """It is registered before the call is dispatched, with the key and the attempt of the last try."""
    hub.activity("Unsure", flaky(9))
    hub.start(
        """
        do:
          - s:
              saga:
                - a:
                    call: Unsure
                    retry: { attempts: 3, delay: 0s }
                    compensate: { on: attempted, call: Undo, with: "${ step }" }
        """
    )
    hub.run()
    assert ledger.undone == [{"idempotency_key": ledger.keys("Unsure")[0], "attempt": 3}]
    assert len(set(ledger.keys("Unsure"))) == 1


def test_a_step_that_is_skipped_is_not_undone(hub: Hub, ledger: Ledger) -> None:
    """A guard that does not hold leaves nothing to undo."""
    hub.start(
        """
        do:
          - s:
              saga:
                - a: { if: "${ input == 1 }", call: Echo, with: a, compensate: { call: Undo, with: a } }
                - raise: { error: No }
        """,
        2,
    )
    hub.run()
    assert (ledger.undone, hub.error()["compensation"]) == ([], [])


def test_one_that_cannot_be_undone_does_not_keep_the_others(hub: Hub, ledger: Ledger) -> None:
    """``continue``: the error says which, and why."""
    ledger.stubborn = {"hotel"}
    hub.start(trip())
    hub.run()
    error = hub.error()
    assert (error["type"], ledger.undone) == ("Broken", ["flight"])
    assert outcomes(error) == [("hotel", "failed"), ("flight", "undone")]
    assert error["compensation"][0]["error"]["type"] == "Broken"
    assert error["compensation"][0]["error"]["path"] == "do/0/trip/saga/1/hotel/compensate"


def test_stop_raises_an_error_of_its_own(hub: Hub, ledger: Ledger) -> None:
    """``stop``: the others are skipped, and what led there is the cause."""
    ledger.stubborn = {"hotel"}
    hub.start(trip(compensation="compensation: { on_failure: stop }"))
    hub.run()
    error = hub.error()
    assert (error["type"], ledger.undone) == ("perdure.CompensationFailed", [])
    assert (error["step"], error["message"]) == ("hotel", "hotel could not be undone: hotel")
    assert outcomes(error) == [("hotel", "failed"), ("flight", "skipped")]
    assert (error["cause"]["type"], error["cause"]["step"]) == ("Broken", "car")


def test_a_compensation_is_retried_as_the_saga_says(hub: Hub, ledger: Ledger) -> None:
    """One key for all attempts of it."""
    ledger.how = flaky(3)
    hub.start(trip(compensation="compensation: { retry: { attempts: 4, delay: 10s, backoff: 1 } }"))
    hub.advance(30)
    assert outcomes(hub.error()) == [("hotel", "undone"), ("flight", "undone")]
    keys = ledger.keys("Undo")
    assert (len(keys), len(set(keys))) == (5, 2)


@pytest.mark.parametrize("rounds", range(1, 9))
def test_a_crash_anywhere_undoes_each_step_once(hub: Hub, ledger: Ledger, rounds: int) -> None:
    """Deliveries may be repeated, with one key; the history has each undo once."""
    hub.start(trip())
    for _ in range(rounds):
        hub.round()
    hub.crash()
    hub.run()
    undos = [e for e in hub.events() if isinstance(e, TaskScheduled) and e.name == "Undo"]
    assert [event.input for event in undos] == ["hotel", "flight"]
    assert outcomes(hub.error()) == [("hotel", "undone"), ("flight", "undone")]


def test_suspend_and_resume_while_something_is_undone(hub: Hub, ledger: Ledger) -> None:
    """What was undone in between is not undone again."""
    hub.manual = True
    hub.start(trip())
    hub.run()
    finish_all(hub, "flight", "hotel", "car")
    hub.suspend()
    hub.run()
    finish_all(hub, "hotel")
    hub.crash()
    hub.resume()
    hub.manual = False
    hub.run()
    assert outcomes(hub.error()) == [("hotel", "undone"), ("flight", "undone")]
    assert ledger.undone == ["hotel", "flight"]


def test_terminate_stops_undoing(hub: Hub, ledger: Ledger) -> None:
    """It is the way to end what cannot be undone."""
    hub.manual = True
    hub.start(trip())
    hub.run()
    finish_all(hub, "flight", "hotel", "car")
    hub.terminate()
    hub.run()
    assert (hub.status(), ledger.undone) == ("Terminated", [])


def test_the_step_of_an_error_that_somebody_made_up(hub: Hub, ledger: Ledger) -> None:
    """An error with a ``compensation`` that is none of ours is no trouble."""
    hub.start(
        """
        do:
          - s:
              saga:
                - a: { call: Echo, with: a, compensate: { call: Undo, with: a } }
                - raise: "${ input }"
        """,
        {"type": "Odd", "compensation": "text"},
    )
    hub.run()
    assert outcomes(hub.error()) == [("a", "undone")]


def test_a_compensation_that_is_an_activity_error_without_retry(hub: Hub, ledger: Ledger) -> None:
    """``retryable=False`` stops the retries of an undo as of any call."""

    def stubborn() -> None:
        raise ActivityError("never", retryable=False)

    ledger.how = stubborn
    hub.start(trip(compensation="compensation: { retry: { attempts: 4, delay: 1s } }"))
    hub.run()
    assert outcomes(hub.error()) == [("hotel", "failed"), ("flight", "failed")]
