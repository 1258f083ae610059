"""Real workers on PostgreSQL that are killed, stopped and cut off: what they did goes on elsewhere, once."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.clock import monotonic
from perdure.engine.instance import SLOTS, slot_of
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.worker import Worker
from tests.engine.facts import WAIT, eventually
from tests.engine.test_faults_processes import CHAIN, STEPS, each_step_once
from tests.engine.worker_process import Process, allow, lines
from tests.postgres import Server, waits

pytestmark = pytest.mark.slow  # real processes that are killed and stopped

LEASE = 3.0
"""Seconds; whoever hangs is taken over after one and a half of it."""

Spawn = Callable[..., Process]


@pytest.fixture
def url(postgres: Server) -> str:
    """The hub."""
    return postgres.new_hub()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where activities write down what they do."""
    return tmp_path / "hub"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client beside all workers."""
    store = PostgresStore(url)
    yield Client(store)
    store.close()


@pytest.fixture
def sql(postgres: Server, url: str) -> Iterator[psycopg.Connection]:
    """A connection that gets in the way."""
    with postgres.connect() as connection:
        yield connection


@pytest.fixture
def spawn(path: Path, url: str, client: Client) -> Iterator[Spawn]:
    """Starts workers in processes of their own; what is left of them is killed."""
    processes: list[Process] = []

    def start(lease: float = LEASE) -> Process:
        processes.append(Process(path, lease=lease, url=url))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


def reach(path: Path, count: int) -> None:
    """Wait until so many steps are done."""
    eventually(lambda: f"mark {count - 1}" in lines(path))


def served_by(client: Client, *processes: Process) -> None:
    """Wait until all slots are theirs, about as many each."""
    ids = {process.id for process in processes}

    def shared() -> bool:
        counts = client.store.owned_slots()
        each = SLOTS // len(ids)
        return counts.keys() == ids and sum(counts.values()) == SLOTS and min(counts.values()) >= each

    eventually(shared)


def owner_first(client: Client, *processes: Process) -> list[Process]:
    """The one that has the slot of the instance ``i``, and the others."""
    owner = client.store.slot_owners()[slot_of("i")]
    return sorted(processes, key=lambda process: process.id != owner)


def test_whoever_is_left_goes_on_after_each_kill(path: Path, client: Client, spawn: Spawn) -> None:
    """Two workers on one host are two members; after each SIGKILL the other goes on, and no step is lost."""
    worker, other = spawn(), spawn()
    eventually(lambda: len({each["host"] for each in client.workers()}) == 1 and len(client.workers()) == 2)
    client.run(CHAIN, id="i")
    for count in (20, 40):
        allow(path, count)
        reach(path, count)
        served_by(client, worker, other)
        owner, heir = owner_first(client, worker, other)
        owner.kill()
        served_by(client, heir)
        worker, other = heir, spawn()
    allow(path, STEPS)
    assert client.wait("i", WAIT)["output"] == STEPS
    assert each_step_once(client, "i")
    again = sum(times - 1 for times in Counter(lines(path)).values())
    assert again <= 2, "only what ran at a kill runs again"
    assert [worker.end(), other.end(), client.workers()] == [0, 0, []]


def test_a_worker_stopped_in_a_commit_is_thrown_out_and_comes_back_as_another(
    path: Path, client: Client, spawn: Spawn, sql: psycopg.Connection
) -> None:
    """Its row is locked by its own commit; the server ends that, then another takes its slots."""
    workers = spawn(), spawn()
    served_by(client, *workers)
    stopped, other = owner_first(client, *workers)
    client.run(CHAIN, id="i")
    allow(path, 10)
    reach(path, 10)
    with sql.transaction():
        sql.execute("LOCK TABLE history IN SHARE MODE")
        allow(path, 20)
        eventually(lambda: waits(sql))
        stopped.signal(signal.SIGSTOP)
    served_by(client, other)
    stopped.signal(signal.SIGCONT)
    allow(path, STEPS)
    assert client.wait("i", WAIT)["output"] == STEPS
    assert each_step_once(client, "i")
    eventually(lambda: len(client.workers()) == 2)
    assert stopped.id not in {each["id"] for each in client.workers()}
    assert stopped.end() == 0


def test_an_outage_longer_than_the_lease_costs_nobody_anything(
    postgres: Server, url: str, client: Client
) -> None:
    """All come back under new ids; the first one back does not declare the other dead."""
    seen: list[int] = []

    def mark(n: int) -> int:
        seen.append(n)
        return n + 1

    registry = Registry()
    registry.add("Mark", mark)
    with (
        Worker(PostgresStore(url), registry, lease=round(LEASE * 1_000_000)) as first,
        Worker(PostgresStore(url), registry, lease=round(LEASE * 1_000_000)) as second,
    ):
        client.run(CHAIN, id="i")
        eventually(lambda: len(seen) > 5)
        before = {first.id, second.id}
        postgres.stop()
        since = monotonic()
        eventually(lambda: monotonic() - since > 2 * LEASE)
        postgres.start()
        assert client.wait("i", WAIT)["output"] == STEPS
        client.run(CHAIN, id="j")
        assert client.wait("j", WAIT)["output"] == STEPS
        assert each_step_once(client, "i")
        eventually(lambda: not before & {first.id, second.id})
        assert {each["id"] for each in client.workers()} == {first.id, second.id}
    first.store.close()
    second.store.close()
