"""Suspend, resume, terminate, and which status follows which."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.errors import Ended
from perdure.engine.instance import ENDED, LEGAL, Status
from tests.engine.driver import SECOND, START, Hub
from tests.engine.functions import echo, finish_all, offer

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


def test_the_table_of_statuses() -> None:
    """What has ended never changes; what runs may be suspended and end; nothing goes back to pending."""
    assert {status for status in Status if not LEGAL.get(status)} == ENDED | {Status.CONTINUED_AS_NEW}
    assert LEGAL[Status.RUNNING] == LEGAL[Status.SUSPENDED] == {Status.RUNNING, Status.SUSPENDED} | ENDED
    assert all(Status.PENDING not in after for after in LEGAL.values())


def test_an_instance_begins_pending_and_runs(hub: Hub) -> None:
    """``Pending`` until its first turn, ``Running`` after it, and ``started_at`` is then."""
    hub.start("do: [{ w: { wait: 1s } }]")
    assert (hub.status(), hub.instance().started_at) == ("Pending", None)
    hub.run()
    assert (hub.status(), hub.instance().started_at) == ("Running", START)
    hub.advance(1)
    assert (hub.status(), hub.instance().ended_at) == ("Completed", START + SECOND)


def test_an_instance_that_waits_for_nothing_has_both_times(hub: Hub) -> None:
    """Started and ended in one turn."""
    hub.start("do: [{ v: { value: 1 } }]")
    hub.run()
    assert (hub.instance().started_at, hub.instance().ended_at) == (START, START)


def test_a_suspended_instance_starts_nothing_new(hub: Hub) -> None:
    """Results, timers and events are recorded and wait for the resume."""
    waiting(hub)
    hub.suspend()
    hub.run()
    finish_all(hub, 1)
    hub.raise_event("Go", 2)
    hub.advance(7200)
    assert (hub.status(), hub.instance().reason) == ("Suspended", "test")
    hub.resume()
    hub.run()
    assert hub.output() == {"task": 1, "timer": None, "event": 2}
    assert hub.instance().reason is None


def test_what_came_while_suspended_is_acted_on_in_order(hub: Hub) -> None:
    """The first to arrive wins the race that is decided at the resume."""
    offer(hub)
    hub.start(
        """
        do:
          - r: { race: { timer: [{ a: { wait: 1m } }], event: [{ b: { wait_for_event: Go,
                timeout: never } }] } }
          - return: ${ r.winner }
        """
    )
    hub.suspend()
    hub.run()
    hub.advance(60)
    hub.raise_event("Go")
    hub.run()
    hub.crash()
    hub.resume()
    hub.run()
    assert hub.output() == "timer"


def test_a_suspended_instance_survives_a_crash(hub: Hub) -> None:
    """It stays suspended, with all it has."""
    waiting(hub)
    hub.suspend()
    hub.run()
    hub.crash()
    hub.raise_event("Go", 2)
    hub.advance(3600)
    assert hub.status() == "Suspended"
    hub.resume()
    hub.manual = False
    hub.run()
    assert hub.output()["event"] == 2


def test_suspend_before_the_first_turn(hub: Hub) -> None:
    """A start that was followed by a suspend has begun, and goes no further."""
    offer(hub)
    hub.start("do: [{ w: { wait: 1s } }, { a: { call: Echo, with: 1 } }]")
    hub.suspend()
    hub.advance(10)
    assert (hub.status(), hub.calls) == ("Suspended", [])
    hub.resume()
    hub.run()
    assert hub.status() == "Completed"


def test_to_suspend_twice_and_resume_twice_changes_nothing(hub: Hub) -> None:
    """Both may be repeated."""
    waiting(hub)
    for _ in range(2):
        hub.suspend()
        hub.run()
    for _ in range(2):
        hub.resume()
        hub.run()
    assert hub.status() == "Running"
    hub.terminate()
    hub.run()


@pytest.mark.parametrize("turns", [1, 2])
def test_to_suspend_again_without_a_reason_keeps_the_one_that_is_there(hub: Hub, turns: int) -> None:
    """In one turn or in two; another reason takes its place, and a resume takes it away."""
    waiting(hub)
    hub.suspend("the books are closed")
    if turns == 2:
        hub.run()
    hub.suspend(None)
    hub.run()
    assert (hub.status(), hub.instance().reason) == ("Suspended", "the books are closed")
    hub.suspend("stock-taking")
    hub.run()
    assert hub.instance().reason == "stock-taking"
    hub.resume()
    hub.run()
    assert (hub.status(), hub.instance().reason) == ("Running", None)


def test_a_reason_of_what_is_over_is_no_reason_of_a_later_suspension(hub: Hub) -> None:
    """Why it was terminated is forgotten when it goes on, so a suspension without a reason has none."""
    waiting(hub)
    hub.terminate("by mistake")
    hub.run()
    assert hub.instance().reason == "by mistake"
    hub.rewind()
    hub.run()
    assert (hub.status(), hub.instance().reason) == ("Running", None)
    hub.suspend(None)
    hub.run()
    assert (hub.status(), hub.instance().reason) == ("Suspended", None)


def test_a_resumed_timer_is_not_early(hub: Hub) -> None:
    """A timer counts while the instance is suspended, and fires at its time after the resume."""
    hub.start("do: [{ w: { wait: 1h } }]")
    hub.suspend()
    hub.advance(1800)
    hub.resume()
    hub.advance(1799)
    assert hub.status() == "Running"
    hub.advance(1)
    assert hub.status() == "Completed"


@pytest.mark.parametrize("suspended", [False, True])
def test_terminate_ends_at_once_and_deletes_what_is_open(hub: Hub, suspended: bool) -> None:
    """No ``finally`` runs; timers and tasks are gone, the activity is told to stop."""
    waiting(hub)
    if suspended:
        hub.suspend()
        hub.run()
    hub.terminate("enough")
    hub.run()
    assert (hub.status(), hub.instance().reason, hub.leftovers()) == ("Terminated", "enough", [])
    assert hub.kinds()[-1] == "ExecutionTerminated"
    assert hub.canceled == [hub.calls[0].id]


def test_terminate_after_timers_and_results_came_while_suspended(hub: Hub) -> None:
    """What has fired or ended already is not closed once more."""
    waiting(hub)
    hub.suspend()
    hub.run()
    finish_all(hub, 1)
    hub.advance(3600)
    hub.terminate()
    hub.run()
    assert (hub.status(), hub.leftovers(), hub.canceled) == ("Terminated", [], [])


def test_terminate_runs_no_finally(hub: Hub) -> None:
    """Cleaning up is for ``cancel``."""
    offer(hub)
    hub.start("do: [{ t: { try: [{ w: { wait: 1h } }], finally: [{ a: { call: Echo, with: 1 } }] } }]")
    hub.run()
    hub.terminate()
    hub.advance(7200)
    assert (hub.status(), hub.calls) == ("Terminated", [])


def test_terminate_deletes_tasks_with_rows_too(hub: Hub) -> None:
    """A task that waits for a worker in the table is not handed out any more."""
    hub.start("do: [{ a: { call: Nowhere, with: 1 } }]")
    hub.run()
    assert len(hub.leftovers()) == 1
    hub.terminate()
    hub.run()
    assert hub.leftovers() == []


def test_a_late_result_after_the_end_changes_nothing(hub: Hub) -> None:
    """Its task was closed with the instance."""
    waiting(hub)
    hub.terminate()
    hub.run()
    before = hub.events()
    hub.finish(hub.open[0])
    hub.run()
    assert (hub.events(), hub.status()) == (before, "Terminated")


def test_terminate_before_the_first_turn(hub: Hub) -> None:
    """An instance that was terminated at once has started and ended."""
    offer(hub)
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.terminate()
    hub.run()
    assert (hub.status(), hub.calls) == ("Terminated", [])


@pytest.mark.parametrize("ask", ["suspend", "resume", "terminate"])
def test_an_ended_instance_refuses_everything(hub: Hub, ask: str) -> None:
    """A terminal status never changes."""
    hub.start("do: [{ v: { value: 1 } }]")
    hub.run()
    with pytest.raises(Ended):
        getattr(hub, ask)()
    assert hub.status() == "Completed"


def test_two_ends_in_one_turn(hub: Hub) -> None:
    """When a result that completes it and a terminate come together the first one decides."""
    hub.activity("Echo", echo)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.run()
    hub.finish(hub.open[0])
    hub.terminate()
    hub.run()
    assert hub.status() == "Completed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{ return: 1 }", "Completed"),
        ("{ raise: { error: No } }", "Failed"),
        ("{ v: { value: 1 } }", "Completed"),
    ],
)
def test_how_instances_end_by_themselves(hub: Hub, body: str, status: str) -> None:
    """``Completed`` with an output, ``Failed`` with an error."""
    hub.start(f"do: [{body}]")
    hub.run()
    payloads: Any = hub.store.payloads("i")
    assert hub.status() == status
    assert ("output" in payloads, "error" in payloads) == (status == "Completed", status == "Failed")


def test_the_input_is_kept_with_the_instance(hub: Hub) -> None:
    """Input and output are payloads of the instance."""
    hub.start('do: [{ return: "${ input + 1 }" }]', 1)
    hub.run()
    assert hub.store.payloads("i") == {"input": "1", "output": "2"}
