"""How much a worker does at once, of each kind, and what it takes in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.errors import Overloaded
from perdure.engine.events import EventRaised, ExecutionTerminated
from perdure.engine.executor import Executor, Limits
from perdure.engine.requests import Ask, message_to
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.tasks import Task
from perdure.engine.worker import Worker
from tests.engine.driver import compiled

BOTH = """
    do:
      - all:
          fan_out: [1, 2, 3, 4, 5, 6]
          do:
            - p: { parallel: { a: [ x: { call: Sync } ], b: [ y: { call: Async } ] } }
      - return: ${ all.succeeded }
    """


def task(name: str, seq: int = 1) -> Task:
    """A task for an activity without arguments."""
    return Task(
        instance="i", execution="x", seq=seq, workflow="w", digest="d", name=name, key="k", path="p",
        attempt=1, has_input=False, input=None,
    )  # fmt: skip


def test_each_kind_has_a_limit_of_its_own(tmp_path: Path) -> None:
    """Sync activities in threads, async ones on the loop; all of them run in the end."""
    counts = {"sync": 0, "async": 0}
    most = {"sync": 0, "async": 0}
    lock = threading.Lock()

    def enter(kind: str, change: int) -> None:
        with lock:
            counts[kind] += change
            most[kind] = max(most[kind], counts[kind])

    def sync() -> None:
        enter("sync", 1)
        threading.Event().wait(0.01)
        enter("sync", -1)

    async def coroutine() -> None:
        enter("async", 1)
        await asyncio.sleep(0.01)
        enter("async", -1)

    registry = Registry()
    registry.add("Sync", sync)
    registry.add("Async", coroutine)
    with (
        closing(SqliteStore(tmp_path / "hub.db")) as store,
        Worker(store, registry, concurrency=2, async_concurrency=3) as worker,
    ):
        client = Client(store, worker)
        id_ = client.run(compiled(BOTH).program)["id"]
        assert client.wait(id_, 60)["output"] == 6
    assert most["sync"] <= 2
    assert most["async"] <= 3


def test_a_full_kind_claims_nothing_and_hinders_no_other() -> None:
    """What runs long on the loop keeps no thread idle."""
    begun, go_on = threading.Event(), threading.Event()
    registry = Registry()

    def sync() -> bool:
        begun.set()
        return go_on.wait(20)

    registry.add("Sync", sync)

    async def coroutine() -> None:
        """Ends at once."""

    registry.add("Async", coroutine)
    ended: list[Any] = []
    executor = Executor(
        registry,
        lambda digest: compiled("do: [ return: 1 ]"),
        lambda task, answer: ended.append(answer),
        token_key=str,
        limits=Limits(1, 4, 2),
    )
    assert executor.claimable == (["Async", "Sync"], 1)
    executor.start([task("Sync")])
    assert executor.claimable == (["Async"], 2)
    assert begun.wait(20)
    go_on.set()
    executor.stop(20)
    assert (len(ended), executor.claimable) == (1, ([], 0))


@pytest.fixture
def client(tmp_path: Path) -> Any:
    """A client of a worker that takes nothing in."""
    with closing(SqliteStore(tmp_path / "hub.db")) as store, Worker(store, Registry(), asks=0) as worker:
        yield Client(store, worker)


def asked(client: Client, event: Any) -> Callable[[], object]:
    """A message to an instance."""
    ask = Ask(message_to("i", event, "m"), event, None)
    assert client.worker is not None
    client.worker.submit(ask)
    return ask.result


def test_work_beyond_what_can_be_taken_in_is_refused(client: Client) -> None:
    """A start and an event are; there is nothing to clean up."""
    with pytest.raises(Overloaded, match="wait for an answer already"):
        client.run(compiled("do: [ return: 1 ]").program, id="i")
    with pytest.raises(Overloaded):
        asked(client, EventRaised(name="E"))()
    assert client.store.instance("i") is None


def test_whoever_wants_less_is_heard(client: Client) -> None:
    """An order to end something is taken in whatever waits."""
    with pytest.raises(Exception, match="there is no instance"):
        asked(client, ExecutionTerminated())()
