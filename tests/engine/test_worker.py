"""The worker with its threads, on a real file: what it reads, how it shares commits, how it ends."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from perdure.compiler.ir import Program
from perdure.engine.activities import Registry, RetryAfter
from perdure.engine.client import Client
from perdure.engine.errors import Busy, Ended, OutcomeUnknown
from perdure.engine.instance import slot_of
from perdure.engine.store.rows import Batch, Message
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.driver import compiled

WAIT = 30.0

CHAIN = compiled(
    "do:\n"
    + "".join(
        f"  - s{n}: {{ call: Increment, with: '${{ {'input' if n == 0 else f's{n - 1}'} }}' }}\n"
        for n in range(10)
    )
    + "  - return: ${ s9 }\n"
).program


def flow(text: str) -> Program:
    """The Program of a list of steps."""
    return compiled(text).program


@contextmanager
def hub(path: Path, store: SqliteStore | None = None, **activities: Callable[..., Any]) -> Iterator[Client]:
    """A worker and a client on a file; both are gone afterwards."""
    registry = Registry()
    registry.add("Increment", lambda n: n + 1)
    for name, function in activities.items():
        registry.add(name, function)
    store = store or SqliteStore(path / "hub.db")
    with Worker(store, registry, lease=3_000_000) as worker:
        yield Client(store, worker)
    store.close()


class Traced(SqliteStore):
    """A store that remembers every statement on any of its connections."""

    def __init__(self, path: Path) -> None:
        self.statements: list[str] = []
        super().__init__(path)

    def _open(self) -> sqlite3.Connection:
        connection = super()._open()
        connection.set_trace_callback(self.statements.append)
        return connection

    def count(self, *beginnings: str) -> int:
        """How many statements began so."""
        return sum(statement.startswith(beginnings) for statement in self.statements)


class Unlucky(SqliteStore):
    """A store whose n-th commits fail: before they are done, or after, as a broken connection would."""

    def __init__(self, path: Path, before: set[int], after: set[int]) -> None:
        self.commits, self.before, self.after = 0, before, after
        super().__init__(path)

    def commit(self, batch: Batch) -> int:
        self.commits += 1
        if self.commits in self.before:
            raise Busy("unlucky")
        time = super().commit(batch)
        if self.commits in self.after:
            raise OutcomeUnknown("unlucky")
        return time


def test_a_chain_of_ten_steps_writes_eleven_rows_and_reads_nothing(tmp_path: Path) -> None:
    """On the warm path there is the fence, and no other query; each step is one history row."""
    store = Traced(tmp_path / "hub.db")
    with hub(tmp_path, store) as client:
        client.wait(client.run(CHAIN, 0)["id"], WAIT)
        ended = threading.Event()
        assert client.worker is not None
        client.worker.on_event = lambda _id, events: (
            ended.set() if events[-1]["type"] == "ExecutionCompleted" else None
        )
        linked = client.worker.programs.get(client.run(CHAIN, 0, id="other")["digest"])
        client.wait("other", WAIT)
        ended.clear()
        ask = client._start_ask(client._new_instance(linked, "1.0.0", "chain", None), linked, 0, None, None)
        store.statements.clear()
        client.worker.submit(ask)
        assert ended.wait(WAIT)
        statements = [each for each in store.statements if "FROM workers" not in each]
        rows = len(store.history("chain", 1, 0, 100))
    reads = [each for each in statements if each.startswith("SELECT") and "'chain'" in each]
    assert rows == 11
    assert sum("INTO history" in each for each in statements) == 11
    assert len(reads) == 1, "the look-up of the id that the client chose"


def test_concurrent_instances_share_commits(tmp_path: Path) -> None:
    """A hundred chains take far fewer transactions than they have turns."""
    store = Traced(tmp_path / "hub.db")
    with hub(tmp_path, store) as client:
        ids = client.run_many(CHAIN, [0] * 100)
        assert [client.wait(each, WAIT)["output"] for each in ids] == [10] * 100
        assert store.count("COMMIT") < 100 * 11 / 3


def test_blocking_activities_run_side_by_side(tmp_path: Path) -> None:
    """Sixteen activities that wait for each other all get a thread."""
    barrier = threading.Barrier(16, timeout=WAIT)
    program = flow(
        "do:\n  - all: { fan_out: '${ lists.range(16) }', each: n, do: [{ m: { call: Meet } }] }\n"
        "  - return: ${ all.succeeded }\n"
    )
    with hub(tmp_path, Meet=lambda: barrier.wait() * 0) as client:
        assert client.wait(client.run(program)["id"], WAIT)["output"] == 16


def test_async_activities_run_side_by_side(tmp_path: Path) -> None:
    """Async activities that wait for each other share one loop."""
    import asyncio

    arrived: list[int] = []
    everybody = asyncio.Event()

    async def meet(n: int) -> int:
        arrived.append(n)
        if len(arrived) == 16:
            everybody.set()
        await everybody.wait()
        return n

    program = flow(
        "do:\n  - all:\n      fan_out: ${ lists.range(16) }\n      each: n\n"
        "      do: [{ m: { call: Meet, with: '${ n }' } }]\n"
        "  - return: ${ all.results.sum() }\n"
    )
    with hub(tmp_path, Meet=meet) as client:
        assert client.wait(client.run(program)["id"], WAIT)["output"] == 120


@pytest.mark.parametrize("commit", range(1, 12))
def test_a_commit_that_failed_is_done_again(tmp_path: Path, commit: int) -> None:
    """Whichever commit of a chain is refused for want of a lock, the chain ends, each step recorded once."""
    with hub(tmp_path, Unlucky(tmp_path / "hub.db", {commit}, set())) as client:
        instance = client.run(CHAIN, 0)["id"]
        assert client.wait(instance, WAIT)["output"] == 10
        kinds = [event["type"] for event in client.history(instance)["items"]]
    assert kinds.count("TaskCompleted") == 10


@pytest.mark.parametrize("commit", range(1, 12))
def test_an_unknown_outcome_is_settled_by_joining_again(tmp_path: Path, commit: int) -> None:
    """A commit that was applied though its answer was lost is found, and nothing is recorded twice."""
    store = Unlucky(tmp_path / "hub.db", set(), {commit})
    with hub(tmp_path, store) as client:
        assert client.worker is not None
        first = client.worker.id
        instance = client.run(CHAIN, 0, id="chain")["id"]
        assert client.wait(instance, WAIT)["output"] == 10
        kinds = [event["type"] for event in client.history(instance)["items"]]
        assert kinds.count("TaskCompleted") == 10
        assert client.worker.id != first


def test_a_worker_that_is_declared_dead_joins_again(tmp_path: Path) -> None:
    """It loses its id and its memory, not its work."""
    with hub(tmp_path) as client, _other(tmp_path) as other:
        assert client.worker is not None
        first = client.worker.id
        instance = client.run(
            flow("do:\n  - e: { wait_for_event: Go, timeout: never }\n  - return: ${ e }\n")
        )
        other.rejoin([first], _member("thief"), 1)
        other.leave("thief")
        client.raise_event(instance["id"], "Go", 7)
        assert client.wait(instance["id"], WAIT)["output"] == 7
        assert client.worker.id != first


def test_an_activity_that_outlives_the_worker_runs_again(tmp_path: Path) -> None:
    """What a shutdown abandons is not recorded as anything, and delivered to the next worker."""
    begun, hold = threading.Event(), threading.Event()
    runs: list[int] = []

    def slow() -> int:
        runs.append(1)
        begun.set()
        if len(runs) == 1:
            hold.wait(WAIT)
        return len(runs)

    registry = Registry()
    registry.add("Slow", slow)
    store = SqliteStore(tmp_path / "hub.db")
    worker = Worker(store, registry)
    worker.start()
    client = Client(store, worker)
    client.run(flow("do:\n  - s: { call: Slow }\n  - return: ${ s }\n"), id="i")
    assert begun.wait(WAIT)
    worker.stop(0)
    with Worker(store, registry) as second:
        assert Client(store, second).wait("i", WAIT)["output"] == 2
    hold.set()
    store.close()


def test_a_reserve_runs_its_own_activities_beside_a_server(tmp_path: Path) -> None:
    """The server takes the turns, the short-lived process runs what is in its private queue."""
    with hub(tmp_path) as server, _other(tmp_path) as store:
        registry = Registry()
        ran: list[str] = []

        def increment(n: int) -> int:
            ran.append("reserve")
            return n + 100

        registry.add("Increment", increment)
        with Worker(store, registry, reserve=True, private=["run/mine"]) as reserve:
            client = Client(store, reserve)
            client.run(
                flow("do:\n  - a: { call: Increment, with: 1 }\n  - return: ${ a }\n"),
                id="mine",
                queue="run/mine",
            )
            assert client.wait("mine", WAIT)["output"] == 101
            assert not reserve.owns_slots
        assert ran == ["reserve"]
        assert server.worker is not None
        assert server.worker.owns_slots


def test_a_reserve_takes_the_slots_when_the_server_leaves(tmp_path: Path) -> None:
    """Work goes on with whoever is there."""
    program = flow("do:\n  - e: { wait_for_event: Go, timeout: never }\n  - return: ${ e }\n")
    with _other(tmp_path) as store:
        with hub(tmp_path) as server:
            server.run(program, id="i")
            reserve = Worker(store, Registry(), reserve=True)
            reserve.start()
            assert not reserve.owns_slots
        client = Client(store, reserve)
        client.raise_event("i", "Go", "late")
        assert client.wait("i", WAIT)["output"] == "late"
        reserve.stop()


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_a_wait_that_is_no_time_is_an_error_as_any_other(tmp_path: Path, seconds: float) -> None:
    """``RetryAfter`` without a time to wait for fails the attempt, and its thread goes on."""

    def busy() -> None:
        raise RetryAfter(seconds)

    with hub(tmp_path, Busy=busy) as client:
        ended = client.wait(client.run(flow("do:\n  - b: { call: Busy }\n"))["id"], WAIT)
    assert ended["error"]["type"] == "RetryAfter"


def test_a_start_is_refused_while_its_id_is_in_use(tmp_path: Path) -> None:
    """``run`` of the same id returns the instance that is there, with its first input."""
    with hub(tmp_path) as client:
        client.wait(client.run(CHAIN, 1, id="same")["id"], WAIT)
        again = client.run(CHAIN, 5, id="same")
    assert (again["input"], again["output"]) == (1, 11)


@pytest.mark.parametrize("served", [True, False], ids=["by the owner", "by the database"])
def test_an_event_that_is_repeated_after_the_end_gets_its_first_answer(tmp_path: Path, served: bool) -> None:
    """A client that lost the answer may ask again though its event ended the instance."""
    with hub(tmp_path) as worker, _other(tmp_path) as store:
        client = worker if served else Client(store)
        client.run(flow("do:\n  - e: { wait_for_event: Go, timeout: never }\n  - return: ${ e }\n"), id="i")
        client.raise_event("i", "Go", 1, request_key="k")
        assert worker.wait("i", WAIT)["output"] == 1
        client.raise_event("i", "Go", 1, request_key="k")
        with pytest.raises(Ended):
            client.raise_event("i", "Go", 1, request_key="another")


def test_a_row_that_is_no_event_becomes_a_dead_letter(tmp_path: Path) -> None:
    """One unreadable row of the inbox stops nobody."""
    with _other(tmp_path) as store:
        program = flow("do:\n  - e: { wait_for_event: Go, timeout: never }\n  - return: ${ e }\n")
        client = Client(store)
        client.run(program, id="i")
        broken = Message(id="broken", instance="i", slot=slot_of("i"), kind="EventRaised", event="{}")
        store.send(broken, None)
        client.raise_event("i", "Go", 1)
        with hub(tmp_path) as worker:
            assert worker.wait("i", WAIT)["output"] == 1
        assert [(each.id, each.reason) for each in store.dead_letters()] == [("broken", "unreadable")]


@contextmanager
def _other(path: Path) -> Iterator[SqliteStore]:
    """Another connection to the hub's file, as another process would have."""
    store = SqliteStore(path / "hub.db")
    yield store
    store.close()


def _member(name: str) -> Any:
    from perdure.engine.store.rows import Worker as Member

    return Member(id=name, host="test", ir=1)
