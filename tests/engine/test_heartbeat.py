"""Activities that report: who is silent is given up, and what was reported is there for the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perdure.engine.activities import ActivityCanceled, Context, Registry
from perdure.engine.client import Client
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.store.rows import Beat
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.tasks import Task
from perdure.engine.worker import Worker
from tests.engine.driver import SECOND, Hub, compiled

STEP = """
    do:
      - s:
          call: Copy
          with: 7
          heartbeat: 10s
          retry: { attempts: 3, delay: 1s }
      - return: ${ s }
    """


@pytest.fixture
def copying(hub: Hub) -> Hub:
    """A hub where an instance's activity has been handed out, and does not end by itself."""
    hub.activity("Copy", lambda ctx: ctx.heartbeat_details)
    hub.start(STEP.replace("with: 7", ""))
    hub.manual = True
    hub.run()
    take(hub)
    return hub


def take(hub: Hub) -> Task:
    """Claim the task, and leave it open."""
    hub._start([hub._work(row) for row in hub.claim()])
    return hub.open[-1]


def beat(hub: Hub, details: str | None = None) -> bool:
    """The activity that is open reports; returns whether it still has its task."""
    task = hub.open[-1]
    sign = Beat(
        instance=task.instance, execution=task.execution, seq=task.seq, path=task.path, details=details
    )
    return bool(hub.store.beat(hub.worker, [sign]))


def test_one_that_reports_may_take_its_time(copying: Hub) -> None:
    """As long as it is heard of."""
    for _ in range(5):
        copying.advance(9)
        assert beat(copying)
    copying.finish(copying.open[0])
    copying.run()
    assert (copying.output(), len(copying.scheduled())) == (None, 1)


def test_one_that_is_silent_is_given_up(copying: Hub) -> None:
    """Its attempt is a timeout, which is tried again as any error."""
    copying.advance(11)
    (error,) = copying.errors()
    assert (error.error, error.retryable) == ("perdure.Timeout", True)
    assert error.message == "the activity 'Copy' gave no heartbeat for 10 s"
    copying.advance(1)
    take(copying)
    assert [task.attempt for task in copying.calls] == [1, 2]


def test_one_that_was_given_up_is_told(copying: Hub) -> None:
    """It has lost its task, and what it reports or returns then changes nothing."""
    late = copying.open[0]
    copying.advance(11)
    assert not beat(copying, '"too late"')
    copying.finish(late)
    copying.advance(1)
    assert take(copying).details is None
    copying.finish(copying.open[0])
    copying.run()
    assert (copying.output(), copying.owner.superseded) == (None, 1)


def test_no_history_row_is_written_for_a_report(copying: Hub) -> None:
    """Nor a timer, nor a message."""
    before = copying.rows()
    for _ in range(3):
        copying.advance(9)
        beat(copying, '"details"')
    copying.run()
    assert copying.rows() == before


def test_a_task_that_waits_is_not_silent(hub: Hub) -> None:
    """Nobody has begun it: there is nobody to be heard of."""
    hub.manual = True
    hub.activity("Copy", lambda ctx: "done")
    hub.start(STEP.replace("with: 7", ""))
    hub.advance(3600)
    assert hub.errors() == []
    hub.manual = False
    hub.run()
    assert hub.output() == "done"


@pytest.mark.parametrize("how", ["silent", "crash"])
def test_the_next_one_knows_how_far_it_was(copying: Hub, how: str) -> None:
    """What was reported last is there, whether the attempt was given up or its worker died."""
    beat(copying, '{"row":1}')
    beat(copying, '{"row":2}')
    beat(copying)
    if how == "crash":
        copying.crash()
    else:
        copying.advance(12)
    take(copying)
    copying.finish(copying.open[-1])
    copying.run()
    assert copying.output() == {"row": 2}


def test_an_attempt_that_fails_leaves_what_it_reported(hub: Hub) -> None:
    """Also what was not written yet when it failed; one that ends well leaves nothing."""
    seen: list[Any] = []

    def copy(ctx: Context) -> str:
        seen.append(ctx.heartbeat_details)
        ctx.heartbeat({"row": len(seen)})
        if len(seen) < 3:
            raise ConnectionError
        return "done"

    hub.activity("Copy", copy)
    hub.start(STEP.replace("with: 7", ""))
    hub.advance(60)
    assert (hub.output(), seen) == ("done", [None, {"row": 1}, {"row": 2}])
    hub.run()
    scheduled = hub.scheduled()[0]
    execution = hub.instance().execution
    assert hub.store.heartbeat_details("i", execution, scheduled.path) is None


def test_a_timeout_leaves_it_too(copying: Hub) -> None:
    """``timeout`` bounds an attempt, however often it reports."""
    beat(copying, '"half"')
    copying.terminate()
    copying.run()
    copying.start(STEP.replace("with: 7", "timeout: 15s"), id="j")
    copying.run()
    take(copying)
    beat(copying, '"half of j"')
    copying.advance(8)
    beat(copying)
    copying.advance(9)
    assert take(copying).details == "half of j"


def test_details_go_with_the_instance(copying: Hub) -> None:
    """Purging leaves none."""
    beat(copying, '"half"')
    copying.terminate()
    copying.run()
    assert copying.store.purge("i").rows["heartbeats"] == 1


def test_a_heartbeat_of_nothing_is_an_error(hub: Hub) -> None:
    """Of the step."""
    hub.start("do: [ s: { call: Copy, heartbeat: '${ input }s' } ]", 0)
    hub.run()
    assert hub.error()["type"] == "perdure.Expression"


# -- in a worker ---------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Registry:
    """The activities of a worker."""
    return Registry()


@pytest.fixture
def client(registry: Registry, tmp_path: Path) -> Iterator[Client]:
    """A client of a hub with a worker."""
    with closing(SqliteStore(tmp_path / "hub.db")) as store, Worker(store, registry) as worker:
        yield Client(store, worker)


def test_a_worker_gives_up_and_tells_who_is_silent(registry: Registry, client: Client) -> None:
    """The function hears that it is canceled, and the next attempt gets a turn."""
    told = threading.Event()

    def copy(ctx: Context) -> int:
        while ctx.attempt == 1 and not ctx.canceled:
            told.wait(0.01)
        if ctx.attempt == 1:
            told.set()
            with pytest.raises(ActivityCanceled):
                ctx.heartbeat()
        return ctx.attempt

    registry.add("Copy", copy)
    # On a busy machine the next ones may seem silent as well.
    text = (
        "do: [ s: { call: Copy, heartbeat: 200ms, retry: { attempts: 99, delay: 1ms } }, return: '${ s }' ]"
    )
    assert client.wait(client.run(compiled(text).program)["id"], 60)["output"] > 1
    assert told.wait(10)


def test_a_worker_writes_what_is_reported(registry: Registry, client: Client) -> None:
    """While the activity runs: another worker would find it there."""
    go_on = threading.Event()

    def copy(ctx: Context) -> str:
        ctx.heartbeat([1, 2])
        assert go_on.wait(20)
        return "done"

    registry.add("Copy", copy)
    id_ = client.run(compiled("do: [ s: { call: Copy, heartbeat: 1h }, return: '${ s }' ]").program)["id"]
    instance = client.store.instance(id_)
    assert instance is not None
    while client.store.heartbeat_details(id_, instance.execution, "do/0/s") != "[1,2]":
        client.wait(id_, 0.01)
    go_on.set()
    assert client.wait(id_, 20)["output"] == "done"


# -- how often it is written ---------------------------------------------------------------------------


def running(heartbeat: int = 3 * SECOND) -> tuple[Heartbeats, Context, Task]:
    """An activity that has begun."""
    task = Task(
        instance="i", execution="x", seq=1, workflow="w", digest="d", name="Copy", key="k", path="do/0/s",
        attempt=1, has_input=False, input=None, heartbeat=heartbeat,
    )  # fmt: skip
    context = Context("i", "do/0/s", "k", 1)
    heartbeats = Heartbeats()
    heartbeats.begin(task, context)
    context.begun = True
    return heartbeats, context, task


def test_it_is_written_three_times_a_heartbeat() -> None:
    """However often the activity reports."""
    heartbeats, context, _ = running()
    assert heartbeats.due(0.0) == []
    context.heartbeat("a")
    context.heartbeat("b")
    (first,) = heartbeats.due(0.0)
    heartbeats.written([first], 0.0)
    context.heartbeat("c")
    assert (first.details, heartbeats.due(0.9)) == ('"b"', [])
    assert [each.details for each in heartbeats.due(1.0)] == ['"c"']


def test_what_comes_while_it_is_written_is_not_lost() -> None:
    """It is written the next time."""
    heartbeats, context, _ = running()
    context.heartbeat("a")
    beats = heartbeats.due(0.0)
    context.heartbeat("b")
    heartbeats.written(beats, 0.0)
    assert [each.details for each in heartbeats.due(1.0)] == ['"b"']


def test_one_that_waits_for_a_thread_is_alive() -> None:
    """Its worker says so for it."""
    heartbeats, context, task = running()
    context.begun = False
    beats = heartbeats.due(0.0)
    assert [(each.seq, each.details) for each in beats] == [(1, None)]
    heartbeats.written(beats, 0.0)
    heartbeats.end(task.id, well=False)
    assert heartbeats.due(5.0) == []


def test_the_first_report_is_written_at_once_though_it_waited_for_a_thread_before() -> None:
    """That it waited was said a moment ago, and is no report."""
    heartbeats, context, _ = running()
    context.begun = False
    heartbeats.written(heartbeats.due(0.0), 0.0)
    context.begun = True
    context.heartbeat("a")
    assert [each.details for each in heartbeats.due(0.1)] == ['"a"']


def test_details_are_json(hub: Hub) -> None:
    """What is none is a mistake of the activity, told where it is made."""
    with pytest.raises(TypeError, match="details of a heartbeat"):
        Context("i", "p", "k", 1).heartbeat(object())
