"""``timeout`` of a whole workflow."""

from __future__ import annotations

from tests.engine.driver import SECOND, START, Hub
from tests.engine.ledger import Ledger, outcomes


def test_a_workflow_that_passes_its_timeout_fails(hub: Hub) -> None:
    """With an error of its own, after cleanup and compensation."""
    ledger = Ledger(hub)
    hub.start(
        """
        timeout: 1h
        do:
          - s: { saga: [ a: { call: Echo, with: a, compensate: { call: Undo, with: a } }, w: { wait: 2h } ] }
        """
    )
    hub.advance(3599)
    hub.crash()
    assert hub.status() == "Running"
    hub.advance(1)
    error = hub.error()
    assert (hub.status(), ledger.undone) == ("Failed", ["a"])
    assert (error["type"], error["message"], error["path"]) == (
        "perdure.Timeout",
        "the workflow passed its timeout",
        "do",
    )
    assert outcomes(error) == [("a", "undone")]


def test_it_counts_over_all_generations(hub: Hub) -> None:
    """From the first start."""
    hub.start("timeout: 1h\ndo: [{ w: { wait: 25m } }, { continue_as_new: { input: 1 } }]")
    hub.advance(3599)
    assert (hub.status(), hub.instance().generation) == ("Running", 3)
    hub.advance(1)
    assert (hub.status(), hub.instance().ended_at) == ("Failed", START + 3600 * SECOND)


def test_its_timer_goes_with_the_workflow(hub: Hub) -> None:
    """Who is in time leaves no timer behind, and a clause cannot catch it."""
    hub.start("timeout: 1h\ndo: [{ w: { wait: 1m } }, { return: 1 }]")
    hub.advance(60)
    assert hub.output() == 1


def test_what_comes_first_says_how_it_ends(hub: Hub) -> None:
    """A cancel during the cleanup after the timeout, and the other way round."""
    text = "timeout: 1h\ndo: [{ t: { try: [{ w: { wait: 2h } }], finally: [{ f: { wait: 1h } }] } }]"
    hub.start(text, id="late")
    hub.start(text, id="canceled")
    hub.advance(1800)
    hub.cancel(id="canceled")
    hub.advance(1801)
    hub.cancel(id="late")
    hub.advance(7200)
    assert (hub.status("late"), hub.status("canceled")) == ("Failed", "Canceled")
    assert hub.error("late")["type"] == "perdure.Timeout"


def test_a_suspended_workflow_passes_its_timeout_when_it_is_resumed(hub: Hub) -> None:
    """The clock runs on, and nothing acts before the resume."""
    hub.start("timeout: 1h\ndo: [{ w: { wait: 30m } }, { v: { wait: 10h } }]")
    hub.suspend()
    hub.advance(9000)
    assert hub.status() == "Suspended"
    hub.resume()
    hub.run()
    assert hub.error()["type"] == "perdure.Timeout"
