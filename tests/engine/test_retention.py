"""``retention`` of a header: how long what has ended stays, and how many generations."""

from __future__ import annotations

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.duties import REQUESTS_KEPT
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import InstanceQuery
from perdure.engine.worker import Worker
from tests.engine.driver import SECOND, Hub, VirtualClock, compiled
from tests.engine.functions import offer

HOUR = 3600 * SECOND
KEPT = """
dsl: perdure/1
name: kept
version: 1.0.0
retention: { completed: 1h, failed: 2h }
do:
- if: "${ input == 'bad' }"
  then: [{ raise: { error: Bad, message: bad } }]
- if: "${ input == 'wait' }"
  then: [{ said: { wait_for_event: Go, timeout: never } }]
- return: 1
"""


def gone(hub: Hub, id: str = "i") -> bool:
    """Whether a look for what is over deletes the instance now."""
    hub.store.groom(9, 999)
    return hub.store.instance(id) is None


@pytest.mark.parametrize(("input", "hours"), [("good", 1), ("bad", 2)])
def test_what_ended_well_and_what_failed_stay_for_times_of_their_own(
    hub: Hub, input: str, hours: int
) -> None:
    """Counted from the end; nothing is gone a moment before."""
    hub.start(KEPT, input)
    hub.run()
    assert hub.instance().purge_at == hub.instance().ended_at + hours * HOUR  # type: ignore[operator]
    hub.advance(hours * 3600 - 1)
    assert not gone(hub)
    hub.crash()
    hub.advance(1)
    assert gone(hub)


def test_what_was_terminated_stays_as_what_failed(hub: Hub) -> None:
    """It did not end well."""
    hub.start(KEPT, "wait")
    hub.run()
    assert hub.instance().purge_at is None
    hub.terminate()
    hub.run()
    assert hub.instance().purge_at == hub.clock.now + 2 * HOUR


def test_what_runs_stays(hub: Hub) -> None:
    """However long."""
    hub.start(KEPT, "wait")
    hub.run()
    hub.advance(24 * 3600)
    assert not gone(hub)


def test_without_a_retention_everything_stays(hub: Hub) -> None:
    """Until it is purged by hand; so does what the header does not name."""
    hub.start("do: [{ return: 1 }]", id="a")
    hub.start(KEPT.replace("completed: 1h, ", ""), "good", id="b")
    hub.run()
    hub.advance(1_000_000)
    assert not gone(hub, "a")
    assert not gone(hub, "b")


@pytest.mark.parametrize(("generations", "left"), [(0, [4]), (1, [3, 4]), (2, [2, 3, 4])])
def test_histories_of_so_many_generations_stay(hub: Hub, generations: int, left: list[int]) -> None:
    """Those before the present one; by default it is one."""
    offer(hub)
    text = f"""
    dsl: perdure/1
    name: loops
    version: 1.0.0
    retention: {{ generations: {generations} }}
    do:
    - a: {{ call: Echo, with: "${{ input }}" }}
    - if: ${{ a < 4 }}
      then: [{{ continue_as_new: {{ input: "${{ a + 1 }}" }} }}]
    - return: ${{ a }}
    """
    hub.start(text.replace("\n    ", "\n"), 1)
    hub.run()
    assert hub.instance().generation == 4
    assert [number for number in range(1, 5) if hub.rows(generation=number)] == left


def test_a_worker_lets_go_what_is_over() -> None:
    """And forgets what was carried out under a key long ago; what is younger stays."""
    clock = VirtualClock()
    store = MemoryStore(clock)
    program = compiled(KEPT).program
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        client.run(program, "good", id="old")
        client.run(program, "wait", id="runs")
        client.raise_event("runs", "Go", request_key="k")
        for id_ in ("old", "runs"):
            assert client.wait(id_, 60)["status"] == "Completed"
    key = ("event", "runs", "k")
    clock.now += HOUR
    look_once(store)
    assert store.instances(InstanceQuery()) == []
    assert key in store.look_up([], [], [key]).requests
    clock.now += REQUESTS_KEPT
    look_once(store)
    assert store.look_up([], [], [key]).requests == {}


def look_once(store: MemoryStore) -> None:
    """A worker joins, takes a round, and leaves (white-box: without its thread)."""
    duties = Worker(store, Registry())._duties
    duties.join()
    duties.round()
    duties.leave()
