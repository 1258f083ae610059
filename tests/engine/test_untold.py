"""A worker that is told of what others write, and what nobody tells it."""

from __future__ import annotations

from pathlib import Path

from perdure.engine.client import Client
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.workplace import Pace
from perdure.server.deployments import deploy_source
from tests.engine.driver import compiled
from tests.engine.sharers import sharers
from tests.engine.test_together import Obliging

COUNTER = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }" }
"""
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
