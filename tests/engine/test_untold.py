"""A worker that is told of what others write, and what nobody tells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.engine.activities import Pending
from perdure.engine.client import Client
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.views import time_text
from perdure.engine.workplace import Pace
from perdure.server.deployments import deploy_source
from tests.engine.counter import COUNTER
from tests.engine.driver import SECOND, compiled
from tests.engine.sharers import Sharers, sharers
from tests.engine.test_together import Obliging

ECHO = """\
dsl: perdure/1
name: echo
version: 1.0.0
do: [{ return: "${ input }" }]
"""
NIGHTLY = """\
dsl: perdure/1
name: nightly
version: 1.0.0
schedule: [{ cron: "0 2 * * *" }]
do: [{ return: 1 }]
"""
HOUR = 3600.0
ASKS = compiled("""do:
- later: { start_workflow: echo, instance_id: later, start_at: "${ now() + duration('100s') }" }
- return: ${ later }
""").program
SLOW = compiled('do: [{ a: { call: Work, with: "${ input }", queue: slow } }]').program


def test_an_entity_waits_for_its_definition_though_nobody_tells_of_it(tmp_path: Path) -> None:
    """Whoever deployed it was killed before a word, or is of a release that says none: it waited for ever."""
    store = SqliteStore(tmp_path / "hub.db")
    client = Client(store)
    deploy_source(client, COUNTER, "counter.yaml")
    client.signal_entity("Counter@a", "add", 1)
    client.retire("Counter", "1.0.0")
    worker = Obliging(store)
    worker.duties.pace = Pace(poll=0.0, told=True)
    worker.rest()
    assert worker.duties.owner.entities.unknown == ["Counter"]
    client.activate("Counter", "1.0.0")
    worker.rest()
    assert client.entity("Counter@a")["state"] == 1
    store.close()


def signaled(hub: Sharers) -> None:
    """An entity is told what to do, and when."""
    hub.client.signal_entity("Counter@a", "add", 1, at=time_text(hub.clock.now + 100 * SECOND))


DELAYED: dict[str, Callable[[Sharers], object]] = {
    "a start": lambda hub: hub.client.start("echo", 1, delay=100),
    "a start by a workflow": lambda hub: hub.client.run(ASKS),
    "a signal": signaled,
    "a schedule": lambda hub: deploy_source(hub.client, NIGHTLY, "nightly.yaml"),
}


@pytest.mark.parametrize("what", DELAYED)
def test_what_is_delayed_begins_when_it_is_due(what: str) -> None:
    """Nobody tells of it then: it began when somebody looked for other reasons, up to two seconds later."""
    with sharers() as hub:
        worker = hub.join()
        for text in (ECHO, COUNTER):
            deploy_source(hub.client, text, "flow.yaml")
        hub.settle()
        worker.duties.pace = Pace(poll=24 * HOUR, members=24 * HOUR, told=True)
        DELAYED[what](hub)
        worker.duties.told(members=False)
        hub.settle()
        before, due = over(hub), worker.duties.next_due()
        assert due is not None
        assert due > hub.clock.now + 10 * SECOND
        hub.clock.now = due
        hub.settle(0.2)
        assert over(hub) == before + 1
        assert worker.duties.next_due() != due


def over(hub: Sharers) -> int:
    """Instances that have ended, and operations of the counter."""
    count = hub.client.entity("Counter@a")["state"] if hub.client.entities()["items"] else 0
    return len(hub.client.instances(statuses=["Completed"])["items"]) + int(count)


def test_no_less_is_handed_out_than_a_rate_lets_through() -> None:
    """It was half of that: who looked once a second took what is let through at once in half of one."""
    with sharers() as hub:
        hub.registry.add("Work", lambda number: number)
        worker = hub.join(queues=("slow",))
        worker.duties.pace = Pace(poll=1.0, told=True)
        hub.client.set_queue("slow", "10/s")
        hub.client.run_many(SLOW, range(90))
        hub.settle()
        before = len(hub.begun())
        for _ in range(100):
            hub.act()
            worker.end()
        assert 40 <= len(hub.begun()) - before <= 60


def test_a_claim_that_failed_is_made_again_before_the_next_look() -> None:
    """Whoever was told of a task while the database was busy forgot it until it looked by itself."""
    with sharers() as hub:
        hub.registry.add("Work", lambda number: number)
        worker = hub.join(queues=("slow",))
        worker.duties.pace = Pace(poll=1000.0, told=True)
        hub.settle()
        hub.store.keeps_tasks = True
        hub.client.run(SLOW, 1)
        worker.duties.told(members=False)
        hub.settle()
        assert not hub.begun()
        hub.store.keeps_tasks = False
        hub.settle(1.0)
        assert hub.begun() == ["Work"]


def test_the_place_of_a_task_that_was_handed_over_is_used_at_once() -> None:
    """Nobody tells of it: the next task waited for the next look of whoever had the place."""
    with sharers() as hub:
        hub.registry.add("Work", _given_away)
        worker = hub.join(queues=("slow",))
        worker.activities.places = 1
        worker.duties.pace = Pace(poll=1000.0, told=True)
        hub.client.run_many(SLOW, range(2))
        worker.duties.told(members=False)
        hub.settle()
        assert hub.begun() == ["Work"]
        worker.end()
        hub.settle(1.0)
        assert hub.begun() == ["Work", "Work"]


def _given_away(number: int) -> None:
    raise Pending
