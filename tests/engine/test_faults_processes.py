"""Real processes that are killed and stopped: what they did goes on elsewhere, and is recorded once."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from perdure.engine.client import Client
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.driver import compiled
from tests.engine.facts import WAIT, eventually
from tests.engine.worker_process import Process, allow, lines
from tests.many_workers.crowd import patiently

pytestmark = pytest.mark.slow  # real processes that are killed and stopped

STEPS = 60
CHAIN = compiled(
    'do: [{ l: { for_each: "${ lists.range(60) }", do: [{ m: { call: Mark, with: "${ item }" } }] } },'
    ' { return: "${ size(l) }" }]'
).program
FAR_STEPS = 9
FAR = compiled(
    'do: [{ l: { for_each: "${ lists.range(9) }",'
    ' do: [{ m: { call: Mark, with: "${ item }", queue: far } }] } }, { return: "${ size(l) }" }]'
).program
HOLD = compiled('do: [{ h: { call: Hold, with: gate } }, { return: "${ h }" }]').program
BOMB = compiled(
    """
    do:
      - t:
          try: [{ b: { call: Bomb, retry: { attempts: 3 } } }]
          catch: [{ do: [{ output: "${ error.type }" }] }]
      - return: ${ t }
    """
).program

GREET = compiled('do: [{ e: { wait_for_event: Go, timeout: never } }, { return: "${ e }" }]').program

Spawn = Callable[..., Process]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database."""
    return tmp_path / "hub.db"


@pytest.fixture
def client(path: Path) -> Iterator[Client]:
    """A client beside all workers."""
    store = SqliteStore(path)
    yield Client(store)
    store.close()


@pytest.fixture
def spawn(path: Path, client: Client) -> Iterator[Spawn]:
    """Starts worker processes; what is left of them is killed."""
    processes: list[Process] = []

    def start(kind: str = "server", lease: float = 10.0) -> Process:
        processes.append(Process(path, lease=lease, kind=kind))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()


def stop_between_writes(path: Path, client: Client, process: Process) -> None:
    """SIGSTOP while it has no transaction: on SQLite everybody would wait for it otherwise."""
    store = client.store
    assert isinstance(store, SqliteStore)
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
    with store._turnstile:
        connection.execute("BEGIN IMMEDIATE")
        process.signal(signal.SIGSTOP)
        connection.execute("ROLLBACK")
    connection.close()


def dies_before(process: Process, client: Client, id: str) -> bool:
    """Whether the process ends before the instance does."""
    eventually(lambda: process.popen.poll() is not None or client.instance(id)["ended_at"])
    return process.popen.poll() is not None


def dies_before_parking(process: Process, client: Client, id: str) -> bool:
    """Whether the process ends before it has parked the instance."""
    eventually(lambda: process.popen.poll() is not None or client.instance(id)["status"] == "Suspended")
    return process.popen.poll() is not None


def each_step_once(client: Client, id: str, steps: int = STEPS) -> bool:
    """Whether every step of the chain has one result in the history."""
    events = []
    cursor = None
    while True:
        page = client.history(id, cursor=cursor)
        events += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    return [event["result"] for event in events if event["type"] == "TaskCompleted"] == list(
        range(1, steps + 1)
    )


def test_whoever_is_left_goes_on_after_each_kill(path: Path, client: Client, spawn: Spawn) -> None:
    """A server, then the reserve beside it, then both are killed in the middle of a chain."""

    def go_to(count: int) -> None:
        allow(path, count)
        eventually(lambda: f"mark {count - 1}" in lines(path))

    server, reserve = spawn(), spawn("reserve")
    client.run(CHAIN, id="i")
    go_to(10)
    server.kill()
    go_to(20)
    assert set(client.store.owned_slots()) == {reserve.id}
    server = spawn()
    reserve.kill()
    go_to(30)
    assert set(client.store.owned_slots()) == {server.id}
    reserve = spawn("reserve")
    server.kill()
    reserve.kill()
    last = spawn("reserve")
    go_to(STEPS)
    assert client.wait("i", WAIT)["output"] == STEPS
    assert each_step_once(client, "i")
    again = sum(times - 1 for times in Counter(lines(path)).values())
    assert again <= 4, "only what ran at a kill runs again"
    assert (last.end(), client.workers()) == (0, [])


def test_a_server_its_reserve_and_workers_share_a_file(path: Path, client: Client, spawn: Spawn) -> None:
    """While a client writes again and again: two are killed, and nobody hears that the file is locked.

    The reserve is a second server, and takes all slots of the first one; whose activities are in another
    queue, they are done by whoever is left of the workers.
    """
    server, reserve = spawn(), spawn()
    workers = [spawn("activities"), spawn("activities")]
    assert set(client.store.owned_slots()) == {server.id}
    ids = [f"far-{number}" for number in range(2)]
    for each in ids:
        client.run(FAR, id=each)
    written, over = Counter[str](), threading.Event()

    def write() -> None:
        while not over.wait(0.02):
            client.run(GREET, id=f"greet-{written['starts']}")
            written["starts"] += 1

    with ThreadPoolExecutor() as beside:
        writing = beside.submit(write)
        try:
            for number, process in enumerate([server, workers[0]]):
                allow(path, 3 * (number + 1))
                reached = f"mark {3 * number + 2}"
                patiently(lambda reached=reached: reached in lines(path))  # type: ignore[misc]
                process.kill()
            allow(path, FAR_STEPS)
            ended = [client.wait(each, 4 * WAIT)["output"] for each in ids]
        finally:
            over.set()
        writing.result()
    assert ended == [FAR_STEPS] * len(ids)
    assert all(each_step_once(client, each, FAR_STEPS) for each in ids)
    assert set(client.store.owned_slots()) == {reserve.id}
    patiently(lambda: {each["id"] for each in client.workers()} == {reserve.id, workers[1].id})
    assert written["starts"] > 0
    warned = Path(f"{path}.warnings")
    assert not warned.exists() or "lock" not in warned.read_text()
    assert [reserve.end(), workers[1].end()] == [0, 0]


def test_an_activity_that_kills_its_process_is_poison(path: Path, client: Client, spawn: Spawn) -> None:
    """After five deliveries it is a dead letter, and its instance goes on with the error."""
    client.run(BOMB, id="i")
    deaths = 0
    while client.instance("i")["ended_at"] is None and deaths < 10:
        process = spawn()
        if dies_before(process, client, "i"):
            assert process.end() == 9
            deaths += 1
    assert client.instance("i")["output"] == "perdure.Poison"
    assert (deaths, lines(path)) == (5, ["bomb"] * 5)
    assert [letter.reason.partition(":")[0] for letter in client.store.dead_letters("i")] == [
        "perdure.Poison"
    ]


def test_a_neighbour_of_poison_gets_done(path: Path, client: Client, spawn: Spawn) -> None:
    """A worker that dies again and again does not keep others from ending."""
    allow(path, STEPS)
    client.run(BOMB, id="bomb")
    client.run(CHAIN, id="chain")
    for _ in range(10):
        process = spawn()
        if not dies_before(process, client, "chain"):
            break
    assert client.wait("chain", WAIT)["output"] == STEPS


def test_a_stopped_owner_loses_nothing(path: Path, client: Client, spawn: Spawn) -> None:
    """Its process lives, so nobody declares it dead before its lease ends; it goes on where it was."""
    server = spawn()
    reserve = spawn("reserve")
    client.run(CHAIN, id="i")
    allow(path, 20)
    eventually(lambda: len(lines(path)) >= 20)
    stop_between_writes(path, client, server)
    client.run(HOLD, id="held")
    assert client.store.gone(reserve.id) == []
    assert client.store.owned_slots() == {server.id: 256}
    allow(path, STEPS)
    Path(f"{path}.gate").touch()
    server.signal(signal.SIGCONT)
    assert client.wait("held", WAIT)["output"] == "gate"
    assert client.wait("i", WAIT)["output"] == STEPS
    assert each_step_once(client, "i")
    assert len(lines(path)) == STEPS + len(["begin", "end"])


def test_a_stopped_owner_whose_lease_has_ended_comes_back_as_another(
    path: Path, client: Client, spawn: Spawn
) -> None:
    """Its slots are taken; what it says of them is refused, and it works on under a new id."""
    server = spawn(lease=2)
    spawn(lease=2)
    allow(path, 20)
    client.run(CHAIN, id="i")
    client.run(HOLD, id="held")
    eventually(lambda: len(lines(path)) >= 21)
    stop_between_writes(path, client, server)
    eventually(lambda: server.id not in client.store.owned_slots() and client.store.owned_slots())
    server.signal(signal.SIGCONT)
    allow(path, STEPS)
    Path(f"{path}.gate").touch()
    assert client.wait("i", WAIT)["output"] == STEPS
    assert client.wait("held", WAIT)["output"] == "gate"
    assert each_step_once(client, "i")
    eventually(lambda: len(client.workers()) == 2)
    assert server.id not in {worker["id"] for worker in client.workers()}
    assert server.end() == 0


def test_a_turn_that_kills_its_process_is_parked(path: Path, client: Client, spawn: Spawn) -> None:
    """After five deaths; its neighbours are done by then, and it goes on when it is resumed."""
    names = ["bad", *(f"n{number}" for number in range(5))]
    for name in names:
        client.run(GREET, id=name)
        client.raise_event(name, "Go", name)
    deaths = 0
    process = spawn("deadly")
    while dies_before_parking(process, client, "bad") and deaths < 10:
        deaths += 1
        process = spawn("deadly")
    reason = client.instance("bad")["reason"]
    assert (deaths, reason) == (5, "poison: a worker died in each of its last 3 turns")
    assert [client.wait(name, WAIT)["output"] for name in names[1:]] == names[1:]
    process.kill()
    spawn()
    client.resume("bad")
    assert client.wait("bad", WAIT)["output"] == "bad"
