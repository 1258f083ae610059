"""Why an instance is where it is: what it waits for, and what its history is made of."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.client import Client
from perdure.engine.errors import NotFound
from perdure.engine.views import time_text
from tests.engine.driver import Hub
from tests.engine.functions import offer

RETRYING = """
do:
  - charge: { call: Charge, timeout: 10m, retry: { attempts: 3, delay: 1m } }
"""
PARALLEL = """
do:
  - both:
      parallel:
        left: [{ e: { wait_for_event: Go, timeout: 1h } }]
        right: [{ r: { wait: 1s } }]
      timeout: 2h
"""


def waiting(hub: Hub) -> list[dict[str, Any]]:
    """What it waits for, as a client is told."""
    return Client(hub.store).waiting("i")


def test_a_retry_tells_its_attempt_and_when_it_goes_on(hub: Hub) -> None:
    """The one that has failed, of how many, and how long it pauses still."""

    def charge() -> None:
        raise ConnectionError("down")

    hub.activity("Charge", charge)
    hub.start(RETRYING)
    hub.run()
    hub.advance(20)
    hub.crash()
    (entry,) = waiting(hub)
    assert (entry["kind"], entry["name"], entry["step"]) == ("timer", "retry", "charge")
    assert (entry["attempt"], entry["attempts"], entry["left"]) == (1, 3, 40.0)
    hub.advance(3600)


def test_a_start_for_later_tells_when(hub: Hub) -> None:
    """Until then; also when it is suspended before."""
    offer(hub)
    hub.deploy("dsl: perdure/1\nname: later\nversion: 1.0.0\ndo: [ { pause: { wait: 1h } } ]\n")
    client = Client(hub.store)
    client.start("later", id="i", delay=60)
    hub.run()
    hub.advance(20)
    (entry,) = waiting(hub)
    assert (entry["kind"], entry["step"], entry["left"]) == ("start", None, 40.0)
    assert entry["until"] == time_text(hub.instance().created_at + 60_000_000)
    client.suspend("i")
    hub.run()
    assert [each["kind"] for each in waiting(hub)] == ["start"]
    client.resume("i")
    hub.advance(40)
    assert [each["kind"] for each in waiting(hub)] == ["timer"]


def test_an_activity_tells_its_attempt_and_its_timeout(hub: Hub) -> None:
    """And at which line it stands."""
    hub.activity("Charge", lambda: None)
    hub.manual = True
    hub.start(RETRYING)
    hub.run()
    (entry,) = waiting(hub)
    assert (entry["kind"], entry["name"], entry["attempt"], entry["attempts"]) == ("task", "Charge", 1, 3)
    assert (entry["left"], entry["line"]) == (600.0, 5)
    hub.finish(hub.open[0])
    hub.run()


def test_branches_tell_how_far_they_have_come(hub: Hub) -> None:
    """Beside what those wait for that run."""
    hub.start(PARALLEL)
    hub.run()
    hub.advance(1)
    both, event = waiting(hub)
    assert (both["kind"], both["step"], both["left"]) == ("branches", "both", 7199.0)
    assert both["note"] == "1 of 2 are over, 1 runs"
    assert (event["kind"], event["name"], event["left"]) == ("event", "Go", 3599.0)
    hub.advance(7200)


def test_a_history_is_counted_by_steps(hub: Hub) -> None:
    """All attempts and answers are their step's; the sum is the whole."""
    tries: list[int] = []

    def charge() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionError("down")

    hub.activity("Charge", charge)
    hub.start(RETRYING)
    hub.run()
    hub.advance(3600)
    counted = Client(hub.store).statistics("i")
    rows = hub.rows()
    assert (counted["events"], counted["turns"]) == (len(hub.events()), len(rows))
    assert counted["bytes"] == sum(len(row.events) for row in rows)
    (step,) = [each for each in counted["steps"] if each["step"] == "charge"]
    assert (step["attempts"], step["line"]) == (3, 5)
    # Pauses of one and two minutes; the timer of its timeout, which was taken back, is no time.
    assert step["seconds"] == 180
    assert sum(each["seconds"] for each in counted["steps"]) == 180
    assert sum(each["events"] for each in counted["steps"]) == counted["events"]
    assert sum(each["bytes"] for each in counted["steps"]) <= counted["bytes"]


def test_items_are_counted_with_their_step(hub: Hub) -> None:
    """A thousand of them make no longer a table; the limit of the workflow is told."""
    hub.activity("Work", lambda: None)
    text = "dsl: perdure/1\nname: flow\nversion: 1.0.0\nlimits: { history_events: 900 }\n"
    hub.start(text + 'do: [{ all: { fan_out: "${ lists.range(9) }", do: [{ w: { call: Work } }] } }]')
    hub.run()
    counted = Client(hub.store).statistics("i")
    assert counted["limit"] == 900
    assert [each["attempts"] for each in counted["steps"] if each["step"] == "w"] == [9]


def test_what_goes_on_side_by_side_counts_once(hub: Hub) -> None:
    """And what goes on still until now; a wait that an event ended until then."""
    hub.start(
        """
        do:
          - go: { wait_for_event: Go, timeout: 1h }
          - all: { fan_out: [1, 2, 3], do: [{ w: { wait: 10s } }] }
          - last: { wait: 1h }
        """
    )
    hub.run()
    hub.advance(5)
    hub.raise_event("Go")
    hub.advance(12)
    counted = Client(hub.store).statistics("i")
    took = {each["step"]: each["seconds"] for each in counted["steps"] if each["step"]}
    assert took == {"go": 5, "w": 10, "last": 2}
    assert counted["failed"] is None


def test_the_step_that_failed_is_told_with_its_place(hub: Hub) -> None:
    """Also one that has no event in the history, and without the keys of its items."""
    hub.start("do: [{ all: { fan_out: [a, b], each: x, do: [{ bad: { value: '${ int(x) }' } }] } }]")
    hub.run()
    counted = Client(hub.store).statistics("i")
    path = "do/0/all[]/do/0/bad"
    assert counted["failed"] == {
        "path": path,
        "step": "bad",
        "file": "flow.perdure.yaml",
        "line": 4,
        "column": counted["failed"]["column"],
    }
    (row,) = [each for each in counted["steps"] if each["path"] == path]
    assert (row["events"], row["seconds"]) == (0, 0)


def test_nobody_has_no_history(hub: Hub) -> None:
    """An unknown id is not found."""
    with pytest.raises(NotFound):
        Client(hub.store).statistics("nobody")
