"""Resolve: an operator ends what a step waits for by hand."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.client import Client
from perdure.engine.errors import Conflict
from perdure.engine.events import ExecutionRewound, StepResolved, TaskCanceled
from tests.engine.driver import Hub
from tests.engine.functions import offer

TASK = """
do:
  - charge: { call: Echo, with: 1, timeout: 1m, retry: { attempts: 3, delay: 5s } }
  - return: ${ charge }
"""

LONG = TASK.replace("  - return", "  - w: { wait: 1h }\n  - return")


def stuck(hub: Hub, text: str = TASK) -> None:
    """An instance whose activities do not answer."""
    offer(hub)
    hub.manual = True
    hub.start(text)
    hub.run()


def test_a_task_is_given_its_result(hub: Hub) -> None:
    """Its delivery is canceled, its time limits are over, and the instance goes on."""
    stuck(hub)
    hub.resolve("do/0/charge", {"receipt": 7})
    hub.run()
    assert hub.output() == {"receipt": 7}
    assert any(isinstance(event, TaskCanceled) for event in hub.events())
    assert hub.canceled == [task.id for task in hub.open]


def test_a_late_result_changes_nothing(hub: Hub) -> None:
    """The operator's word was first."""
    stuck(hub, LONG)
    hub.resolve("do/0/charge", "by hand")
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    assert hub.owner.superseded == 1
    hub.advance(3600)
    assert hub.output() == "by hand"


def test_an_error_is_not_retried_and_can_be_caught(hub: Hub) -> None:
    """It is the last word about the step: attempts that are left are not made."""
    stuck(
        hub,
        """
        do:
          - all:
              try: [{ charge: { call: Echo, with: 1, retry: { attempts: 3, delay: 5s } } }]
              catch: [{ errors: [GaveUp], do: [{ return: "${ error.message }" }] }]
        """,
    )
    hub.send(StepResolved(path="do/0/all/try/0/charge", error="GaveUp", message="ask Ada"))
    hub.run()
    assert hub.output() == "ask Ada"
    assert len(hub.scheduled()) == 1


def test_an_error_that_nobody_catches_ends_the_instance(hub: Hub) -> None:
    """With the step it was given to."""
    stuck(hub)
    hub.resolve("do/0/charge", error="GaveUp")
    hub.run()
    assert {key: hub.error()[key] for key in ("type", "message", "path")} == {
        "type": "GaveUp",
        "message": "GaveUp",
        "path": "do/0/charge",
    }


def test_an_error_that_was_given_is_not_rewound(hub: Hub) -> None:
    """It is told who gave it, and that a fork before the step does it again, which it does."""
    stuck(hub)
    hub.resolve("do/0/charge", error="GaveUp")
    hub.run()
    refused = hub.reopen(ExecutionRewound())
    hub.run()
    ((message, why),) = hub.refusals
    assert message == refused
    assert "do/0/charge was ended by hand with this error (resolve)" in why
    assert "fork it before the step" in why
    client = Client(hub.store)
    with pytest.raises(Conflict, match="ended by hand with this error"):
        client.rewind("i", dry_run=True)
    client.fork("i", "charge", id="j")
    hub.manual = False
    hub.run()
    assert hub.output("j") == 1


def test_between_two_attempts(hub: Hub) -> None:
    """The one that is to come is not made; the step has its result."""
    offer(hub)
    hub.start("do: [{ a: { call: Fail, with: 1, retry: { attempts: 3, delay: 1h } } }, { return: '${ a }' }]")
    hub.run()
    hub.resolve("do/0/a", "instead")
    hub.run()
    assert hub.output() == "instead"


def test_between_two_attempts_of_several_steps(hub: Hub) -> None:
    """There is no one step that could have a result, so it takes an error alone."""
    offer(hub)
    hub.start(
        """
        do:
          - block:
              do: [{ a: { call: Echo, with: 1 } }, { b: { call: Fail, with: 2 } }]
              retry: { attempts: 3, delay: 1h }
        """
    )
    hub.run()
    message = hub.say(StepResolved(path="do/0/block", result=1))
    hub.run()
    assert hub.refusals == [(message, "superseded")]
    hub.resolve("do/0/block", error="GaveUp")
    hub.run()
    assert hub.error()["type"] == "GaveUp"


def test_a_timer_is_over(hub: Hub) -> None:
    """Nobody waits for the rest of the time."""
    hub.start("do: [{ w: { wait: 100d } }, { return: 1 }]")
    hub.run()
    hub.resolve("do/0/w")
    hub.run()
    assert hub.output() == 1


def test_an_event_is_given_by_hand(hub: Hub) -> None:
    """The wait has the payload, and its timeout is over."""
    hub.start("do: [{ e: { wait_for_event: Go, timeout: 3d } }, { return: '${ e }' }]")
    hub.run()
    hub.resolve("do/0/e", {"by": "Ada"})
    hub.run()
    assert hub.output() == {"by": "Ada"}


def test_events_that_a_wait_had_are_left_to_the_next(hub: Hub) -> None:
    """Who is given a list by hand has taken nothing."""
    hub.start(
        """
        do:
          - some: { wait_for_event: Go, count: 3, timeout: 3d }
          - one: { wait_for_event: Go, timeout: 3d }
          - return: ${ [some, one] }
        """
    )
    hub.raise_event("Go", 1)
    hub.run()
    hub.resolve("do/0/some")
    hub.run()
    assert hub.output() == [[], 1]


def test_one_item_of_a_fan_out(hub: Hub) -> None:
    """The path says which one."""
    stuck(hub, "do: [{ all: { fan_out: '${ [5, 6] }', do: [{ a: { call: Echo, with: '${ item }' } }] } }]")
    paths = [task.path for task in hub.open]
    hub.resolve(paths[1], "second")
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    assert hub.status() == "Completed"


def test_while_it_is_suspended(hub: Hub) -> None:
    """It is recorded, and takes effect at the resume; a result that comes after it is too late."""
    stuck(hub)
    hub.suspend()
    hub.run()
    hub.resolve("do/0/charge", "by hand")
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    hub.crash()
    assert hub.status() == "Suspended"
    hub.resume()
    hub.run()
    assert hub.output() == "by hand"


def test_what_came_while_suspended_is_not_replaced(hub: Hub) -> None:
    """The step has its answer already: the order does nothing, and says so."""
    stuck(hub)
    hub.suspend()
    hub.run()
    hub.finish(hub.open[0])
    hub.run()
    message = hub.say(StepResolved(path="do/0/charge", result="by hand"))
    hub.run()
    assert hub.refusals == [(message, "superseded")]
    hub.resume()
    hub.run()
    assert hub.output() == 1


@pytest.mark.parametrize("path", ["do/0/charge", "do/1", "nowhere"])
def test_a_step_that_waits_no_more(hub: Hub, path: str) -> None:
    """An order that comes too late changes nothing."""
    stuck(hub, LONG)
    hub.resolve("do/0/charge", 1)
    hub.run()
    before = hub.kinds()
    hub.resolve(path, 2)
    hub.run()
    assert (hub.kinds(), len(hub.leftovers())) == (before, 1), "there is the timer alone"


def test_a_crash_before_the_order_is_heard(hub: Hub) -> None:
    """It lies in the inbox."""
    stuck(hub)
    hub.resolve("do/0/charge", 1)
    hub.crash()
    hub.run()
    assert hub.output() == 1


def client_refusals(hub: Hub, step: str, **given: Any) -> str:
    """What a client that asks for this is told."""
    with pytest.raises(Conflict) as caught:
        Client(hub.store).resolve("i", step, **given)
    return f"{caught.value} ({caught.value.hint})"


def test_a_client_is_told_where_it_waits(hub: Hub) -> None:
    """Before anything is written."""
    stuck(hub, "do: [{ all: { fan_out: '${ [5, 6] }', do: [{ a: { call: Echo, with: '${ item }' } }] } }]")
    assert "nothing waits at 'b' (it waits at: do/0/all[0]/do/0/a, do/0/all[1]/do/0/a)" in client_refusals(
        hub, "b"
    )
    assert "more than one thing waits at 'a'" in client_refusals(hub, "a", output=1)
