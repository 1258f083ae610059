"""Which activities run, where and in which order: queues, priorities, fairness and concurrency keys."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from perdure.engine.activities import ActivityError, Registry, RetryAfter
from perdure.engine.client import Client
from perdure.engine.events import TaskScheduled
from perdure.engine.store.rows import QueueRow
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.tasks import task_in
from perdure.engine.worker import Worker
from tests.engine.driver import SECOND, Hub, compiled

QUEUED = """
    do:
      - s: { call: Echo, with: 1, queue: slow }
      - return: ${ s }
    """
KEYED = """
    do:
      - all:
          fan_out: ${ input }
          each: item
          do:
            - s: { call: Echo, with: "${ item }", concurrency: { key: "${ item.key }", limit: 2 } }
      - return: ${ all.succeeded }
    """


@pytest.fixture
def echo(hub: Hub) -> Hub:
    """A hub with an activity that gives back its argument."""
    hub.activity("Echo", lambda value: value)
    return hub


def arguments(hub: Hub) -> list[object]:
    """What the activities were called with, in order."""
    return [task.input for task in hub.calls]


# -- queues --------------------------------------------------------------------------------------------


def test_a_task_waits_for_a_worker_of_its_queue(echo: Hub) -> None:
    """That this process has the activity is not enough."""
    echo.start(QUEUED)
    echo.run()
    assert (echo.status(), echo.calls) == ("Running", [])
    echo.queues = ("slow",)
    echo.run()
    assert echo.output() == 1


def test_a_waiting_task_survives_a_crash(echo: Hub) -> None:
    """Its row is all that there is of it."""
    echo.start(QUEUED)
    echo.run()
    echo.crash()
    echo.queues = ("slow",)
    echo.run()
    assert (echo.output(), len(echo.calls)) == (1, 1)


def test_the_queue_named_default_is_everybodys(echo: Hub) -> None:
    """Its tasks run at once where the instance is, and leave no trace in the history."""
    echo.start("do: [ s: { call: Echo, with: 1, queue: default }, return: '${ s }' ]")
    echo.run()
    assert echo.output() == 1
    assert echo.scheduled() == [
        TaskScheduled(name="Echo", key=echo.calls[0].key, path=echo.calls[0].path, input=1)
    ]


def test_a_canceled_task_leaves_its_queue(echo: Hub) -> None:
    """Nobody will find it there."""
    echo.start("do: [ s: { call: Echo, with: 1, queue: slow, timeout: 1m } ]")
    echo.advance(61)
    assert echo.error()["type"] == "perdure.Timeout"


def test_an_instance_with_a_private_queue_keeps_it(tmp_path: Path) -> None:
    """Who runs a file runs all of its tasks, whatever queues they name."""
    registry = Registry()
    registry.add("Echo", lambda value: value)
    with (
        closing(SqliteStore(tmp_path / "hub.db")) as store,
        Worker(store, registry, private=["mine"]) as worker,
    ):
        client = Client(store, worker)
        client.run(compiled(QUEUED).program, id="mine", queue="mine")
        assert client.wait("mine", 10)["output"] == 1


# -- order ---------------------------------------------------------------------------------------------


def test_a_larger_priority_is_claimed_first(echo: Hub) -> None:
    """Whatever was asked for first."""
    echo.start(
        """
        do:
          - all:
              fan_out: [1, 5, 3]
              do:
                - s:
                    switch:
                      - when: ${ item == 5 }
                        do: [ a: { call: Echo, with: 5, queue: slow, priority: 9 } ]
                    else: [ b: { call: Echo, with: "${ item }", queue: slow } ]
        """
    )
    echo.run()
    echo.queues = ("slow",)
    echo.run()
    assert arguments(echo) == [5, 1, 3]


def test_tenants_take_turns(echo: Hub) -> None:
    """The one with much to do does not keep the other waiting, with one place at a time."""
    echo.start(
        """
        do:
          - all:
              fan_out: ["a1", "a2", "a3", "b1", "b2"]
              do:
                - s: { call: Echo, with: "${ item }", queue: slow, fairness_key: "${ item.substring(0, 1) }" }
        """
    )
    echo.run()
    echo.queues, echo.places = ("slow",), 1
    echo.run()
    assert arguments(echo) == ["a1", "b1", "a2", "b2", "a3"]


# -- concurrency ---------------------------------------------------------------------------------------


def test_no_more_than_the_limit_run_at_once(echo: Hub) -> None:
    """Counted over all instances; what waits goes on as places become free."""
    echo.manual = True
    for name in ("one", "two"):
        echo.start(
            KEYED, [{"key": "k", "n": 1}, {"key": "k", "n": 2}, {"key": f"only-{name}", "n": 3}], id=name
        )
    seen = []
    while echo.status("one") != "Completed" or echo.status("two") != "Completed":
        echo.run()
        echo._start([task_in(row) for row in echo.claim()])
        running = [task.input["key"] for task in echo.open]
        seen.append(sorted(running))
        assert running.count("k") <= 2
        echo.finish(echo.open[0])
        echo.run()
    assert seen[0] == ["k", "k", "only-one", "only-two"]
    assert len(echo.calls) == 6


def test_a_crash_frees_the_places_of_a_key(echo: Hub) -> None:
    """What the worker that died had claimed is claimed again."""
    echo.manual = True
    echo.start(KEYED, [{"key": "k", "n": number} for number in range(5)])
    echo.run()
    assert len(echo.claim()) == 2
    echo.crash()
    echo.manual = False
    echo.run()
    assert (echo.output(), len(echo.calls)) == (5, 5)


def test_a_limit_that_lets_nothing_run_is_an_error(echo: Hub) -> None:
    """Of the step, not a task that waits for ever."""
    echo.start("do: [ s: { call: Echo, with: 1, concurrency: { key: k, limit: '${ input }' } } ]", 0)
    echo.run()
    assert (echo.error()["type"], echo.error()["message"]) == (
        "perdure.Expression",
        "concurrency: a limit of 0 lets nothing run",
    )


def test_a_key_is_a_text(echo: Hub) -> None:
    """Another value is an error of the step, before anything is asked for."""
    echo.start("do: [ s: { call: Echo, with: 1, concurrency: { key: '${ input }', limit: 1 } } ]", 7)
    echo.run()
    assert (echo.error()["type"], echo.calls) == ("perdure.Expression", [])


# -- why it waits --------------------------------------------------------------------------------------


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """A client of a hub whose worker is not there yet."""
    return Client(SqliteStore(tmp_path / "hub.db"))


def note(client: Client, step: str, *, activity: str = "Echo", queues: tuple[str, ...] = ()) -> str | None:
    """What is said of a step that waits, once a worker with no place has seen it."""
    hub = Hub(client.store, worker={"activities": (activity,), "queues": queues})
    hub.manual = True
    hub.start(f"do: [ s: {{ call: Echo, with: 1, {step} }} ]")
    hub.run()
    (found,) = client.waiting("i")
    told: str | None = found["note"]
    return told


def test_it_is_said_that_nobody_serves_a_queue(client: Client) -> None:
    """And that those who do have not the activity."""
    assert note(client, "queue: slow") == "no worker serves queue 'slow'"


def test_it_is_said_that_nobody_offers_an_activity(client: Client) -> None:
    """In the queue that the task is in."""
    told = note(client, "queue: slow", activity="Other", queues=("slow",))
    assert told == "no worker of queue 'slow' offers activity 'Echo'"


def test_it_is_said_that_a_rate_is_used_up(client: Client) -> None:
    """Not that something were wrong."""
    store = client.store
    store.set_queue("slow", QueueRow(name="slow", interval=SECOND, burst=1, next_at=2**60))
    assert (
        note(client, "queue: slow", queues=("slow",)) == "the rate of queue 'slow' lets no more through now"
    )


def test_it_is_said_that_a_key_is_full(client: Client) -> None:
    """With its limit."""
    hub = Hub(client.store, worker={"activities": ("Echo",)})
    hub.manual = True
    hub.activity("Echo", lambda value: value)
    for name in ("a", "b"):
        hub.start("do: [ s: { call: Echo, with: 1, concurrency: { key: k, limit: 1 } } ]", id=name)
    hub.run()
    assert len(hub.claim()) == 1
    notes = [client.waiting(name)[0]["note"] for name in ("a", "b")]
    assert sorted(notes, key=str) == [None, "as many as may run at once for concurrency key 'k' do: 1"]


# -- errors --------------------------------------------------------------------------------------------


def test_what_an_activity_says_of_trying_again_counts_from_any_worker(tmp_path: Path) -> None:
    """``RetryAfter`` and errors that are not retryable, raised where the instance is not."""
    registry = Registry()
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise RetryAfter(0.01)
        raise ActivityError("never", type="Hopeless", retryable=False)

    registry.add("Work", work)
    text = "do: [ s: { call: Work, queue: far, retry: { attempts: 9, delay: 1h } } ]"
    with (
        closing(SqliteStore(tmp_path / "hub.db")) as store,
        closing(SqliteStore(tmp_path / "hub.db")) as elsewhere,
        Worker(store, Registry()) as owner,
        Worker(elsewhere, registry, queues=["far"]),
    ):
        client = Client(store, owner)
        ended = client.wait(client.run(compiled(text).program)["id"], 60)
    assert (ended["error"]["type"], ended["error"]["attempt"], len(tries)) == ("Hopeless", 2, 2)
