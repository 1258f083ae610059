"""Restart: an instance that has ended does it all again, under its id, as the next generation."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.engine.errors import Conflict
from perdure.engine.events import ExecutionRestarted, ExecutionStarted
from tests.engine.driver import Hub, compiled
from tests.engine.functions import flaky, offer

CHARGE = """
do:
  - charge: { call: Charge, with: "${ input }" }
  - return: ${ charge }
"""


def failed(hub: Hub, times: int = 1) -> None:
    """An instance whose activity fails so many times."""
    work = flaky(times)
    hub.activity("Charge", lambda amount: work())
    hub.start(CHARGE, 7)
    hub.run()
    assert hub.status() == "Failed"


def test_it_runs_again_with_the_same_input(hub: Hub) -> None:
    """The next generation has its own execution; nothing of how it ended before is left in its row."""
    failed(hub)
    before = hub.instance()
    hub.restart()
    hub.run()
    after = hub.instance()
    assert hub.output() == "done"
    assert (after.generation, after.created_at, after.slot) == (2, before.created_at, before.slot)
    assert after.execution != before.execution
    assert hub.store.payloads("i").keys() == {"input", "output"}


def test_every_key_is_a_new_one(hub: Hub) -> None:
    """What was done by the generation before is done again: that is what a restart is for."""
    failed(hub)
    hub.restart()
    hub.run()
    keys = [task.key for task in hub.calls]
    assert len(keys) == len(set(keys)) == 2


def test_the_generation_before_is_kept(hub: Hub) -> None:
    """One, as with continue_as_new; the one before that is forgotten."""
    failed(hub, times=2)
    hub.restart()
    hub.run()
    assert [bool(hub.rows(generation=each)) for each in (1, 2)] == [True, True]
    hub.restart()
    hub.run()
    assert [bool(hub.rows(generation=each)) for each in (1, 2, 3)] == [False, True, True]


def test_another_input(hub: Hub) -> None:
    """It replaces the first one in the instance's document."""
    failed(hub)
    hub.restart(input={"amount": 8})
    hub.run()
    assert hub.scheduled()[0].input == {"amount": 8}
    assert hub.store.payloads("i")["input"] == '{"amount":8}'


def test_another_version(hub: Hub) -> None:
    """Its Program is found when the order is, though no instance runs it."""
    failed(hub)
    other = compiled("dsl: perdure/1\nname: flow\nversion: 2.0.0\ndo: [{ return: '${ input + 1 }' }]")
    hub.restart(program=other)
    hub.run()
    assert (hub.output(), hub.instance().version, hub.instance().digest) == (8, "2.0.0", other.digest)


def test_a_terminated_instance_whose_program_is_gone(hub: Hub) -> None:
    """What it was need not be replayed, so another version can always take its place."""
    offer(hub)
    hub.manual = True
    hub.start("do: [{ a: { call: Echo, with: 1 } }]")
    hub.run()
    hub.terminate()
    hub.run()
    other = compiled("dsl: perdure/1\nname: flow\nversion: 2.0.0\ndo: [{ b: { call: Echo, with: 2 } }]")
    hub.crash()
    hub.restart(program=other)
    hub.run()
    assert [event.path for event in hub.scheduled()] == ["do/0/b"]


def test_a_crash_between_the_order_and_its_turn(hub: Hub) -> None:
    """The order lies in the inbox until the generation begins, and is carried out once."""
    failed(hub)
    hub.restart()
    hub.crash()
    hub.run()
    hub.crash()
    hub.run()
    assert (hub.output(), hub.instance().generation) == ("done", 2)


def test_a_lost_batch_is_taken_again(hub: Hub) -> None:
    """An order of this process is fed again when its batch was not written."""
    failed(hub)
    message = hub.reopen(_restart(hub))
    hub.lose_next()
    hub.run()
    assert (hub.output(), hub.instance().generation, hub.answered[-1]) == ("done", 2, message)


def test_two_at_once_restart_it_once(hub: Hub) -> None:
    """The second was meant for the execution that ended, not for the one that goes on."""
    failed(hub)
    order = _restart(hub)
    first, second = hub.reopen(order), hub.reopen(order)
    hub.run()
    assert (hub.instance().generation, first in hub.answered) == (2, True)
    assert hub.refusals == [(second, "superseded")]


def test_an_order_for_an_instance_that_runs_is_refused(hub: Hub) -> None:
    """It ends first; a restart never cuts off what runs."""
    hub.start("do: [{ w: { wait: 1h } }]")
    hub.run()
    with pytest.raises(Conflict, match="has not ended: it is Running"):
        hub.restart()
    message = hub.reopen(_restart(hub))
    hub.run()
    assert hub.refusals == [(message, "it has not ended")]


def test_an_order_that_reaches_the_turn_of_the_end(hub: Hub) -> None:
    """It waits until the end is in the database, and is carried out then."""
    hub.manual = True
    work = flaky(1)
    hub.activity("Charge", lambda amount: work())
    hub.start(CHARGE, 7)
    hub.run()
    hub.finish(hub.open[0])
    message = hub.reopen(_restart(hub))
    hub.manual = False
    hub.run()
    assert (hub.output(), hub.instance().generation, hub.answered) == ("done", 2, [message])


def test_an_event_for_the_generation_before_never_reaches_the_next(hub: Hub) -> None:
    """It came too late: a dead letter, not a surprise."""
    hub.start("do: [{ a: { wait_for_event: Go, timeout: 1h } }, { return: '${ a }' }]")
    hub.run()
    hub.terminate()
    hub.raise_event("Go", "stale")
    hub.run()
    hub.restart()
    hub.run()
    assert hub.status() == "Running"
    hub.raise_event("Go", "fresh")
    hub.run()
    assert hub.output() == "fresh"
    assert [letter.reason for letter in hub.store.dead_letters("i")] == ["ended"]


def test_a_purge_between_the_order_and_its_turn(hub: Hub) -> None:
    """There is nothing left to restart, and nobody is stopped by that."""
    failed(hub)
    hub.restart()
    hub.forget()
    hub.start("do: [{ v: { value: 1 } }]", id="other")
    hub.run()
    assert hub.store.instance("i") is None
    assert hub.status("other") == "Completed"
    assert hub.leftovers() == []


def _restart(hub: Hub, input: Any = None) -> ExecutionRestarted:
    row = hub.instance()
    return ExecutionRestarted(version=row.version, digest=row.digest, input=input)


def test_the_new_generation_says_what_it_is(hub: Hub) -> None:
    """Its first event has its generation, the input and the tags of the instance."""
    failed(hub)
    hub.restart()
    hub.run()
    first = hub.events()[0]
    assert isinstance(first, ExecutionStarted)
    assert (first.generation, first.input, first.key_seed) == (2, 7, first.execution)


def test_a_program_that_is_not_there_restarts_nothing(hub: Hub) -> None:
    """The order is refused with the reason, and the instance stays as it is."""
    hub.start("do: [ return: 1 ]")
    hub.run()
    asked = hub.reopen(ExecutionRestarted(version="9.0.0", digest="gone", input=None))
    hub.run()
    ((told, reason),) = hub.refusals
    assert (told, "gone" in reason) == (asked, True)
    assert (hub.output(), hub.instance().generation) == (1, 1)
