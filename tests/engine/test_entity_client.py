"""Clients of entities: beside the worker that owns them, and in a process without any."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import perdure
from perdure.compiler import compile_entity
from perdure.compiler.encode import digest
from perdure.dsl import load
from perdure.dsl.source import Source
from perdure.engine.activities import Registry
from perdure.engine.client import Client, Deployment
from perdure.engine.errors import NotFound, OperationFailed
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.counter import COUNTER

WAIT = 60.0


@perdure.entity("Tally")
class Tally:
    """A counter in Python."""

    value: int = 0

    def add(self, amount: int) -> int:
        """Add."""
        self.value += amount
        return self.value


def deploy(client: Client) -> None:
    """Deploy the counter."""
    (entity,) = load(Source("counter.yaml", COUNTER)).entities
    program = compile_entity(entity)
    client.deploy(
        [Deployment(name="Counter", version="1.0.0", digest=digest(program), program=program, source="")]
    )


@contextmanager
def working(path: Path) -> Iterator[Client]:
    """A worker that has the class, and a client beside it."""
    registry = Registry()
    registry.add_entity(Tally)
    store = SqliteStore(path / "hub.db")
    with Worker(store, registry, lease=3_000_000) as worker:
        yield Client(store, worker)
    store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with the counter."""
    store = SqliteStore(tmp_path / "hub.db")
    deploy(Client(store))
    store.close()
    return tmp_path


@pytest.mark.parametrize("type_", ["Counter", "Tally"])
def test_a_client_beside_the_worker_is_answered(path: Path, type_: str) -> None:
    """Whoever carries the operation out, and nothing is left of requests without a key."""
    with working(path) as client:
        for total in (2, 4):
            assert client.call_entity(f"{type_}@a", "add", 2, timeout=WAIT) == {"result": total}
        client.signal_entity(f"{type_}@a", "add", 1)
        assert client.call_entity(f"{type_}@a", "add", 2, timeout=WAIT, request_key="k") == {"result": 7}
        assert client.call_entity(f"{type_}@a", "add", 2, timeout=WAIT, request_key="k") == {"result": 7}
        assert rows(path, "SELECT count(*) FROM inbox") == 0
    assert rows(path, "SELECT count(*) FROM requests WHERE route = 'reply'") == 0
    assert rows(path, "SELECT count(*) FROM tasks") == 0


@pytest.mark.parametrize("type_", ["Counter", "Tally"])
def test_a_client_without_a_worker_is_answered_too(path: Path, type_: str) -> None:
    """Its request waits in the database, and so does the answer."""
    with working(path):
        store = SqliteStore(path / "hub.db")
        client = Client(store)
        assert client.call_entity(f"{type_}@a", "add", 2, timeout=WAIT) == {"result": 2}
        assert client.call_entity(f"{type_}@a", "add", 2, timeout=WAIT, request_key="k") == {"result": 4}
        assert client.call_entity(f"{type_}@a", "add", 2, timeout=WAIT, request_key="k") == {"result": 4}
        with pytest.raises(OperationFailed, match="Never"):
            client.call_entity("Counter@a", "fail", timeout=WAIT)
        store.close()
    assert rows(path, "SELECT count(*) FROM requests WHERE route = 'reply'") == 0


def test_nobody_waits_for_ever_for_a_type_that_is_not_there(path: Path) -> None:
    """It is said at once."""
    with working(path) as client, pytest.raises(NotFound, match="there is no entity 'Nothing'"):
        client.call_entity("Nothing@a", "add", 1)


@pytest.mark.parametrize("type_", ["Counter", "Tally"])
def test_calls_of_many_clients_each_see_another_state(path: Path, type_: str) -> None:
    """Side by side in threads, half of them as another process would be."""
    with working(path) as client:
        store = SqliteStore(path / "hub.db")
        beside = Client(store)
        seen: list[int] = []

        def add(mine: Client) -> None:
            for _ in range(10):
                answer = mine.call_entity(f"{type_}@a", "add", 1, timeout=WAIT)
                assert answer is not None
                seen.append(answer["result"])

        threads = [threading.Thread(target=add, args=[each]) for each in (client, beside) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.close()
        assert sorted(seen) == list(range(1, 81))


def rows(path: Path, query: str) -> int:
    """A number that the database gives."""
    connection = sqlite3.connect(path / "hub.db")
    try:
        (found,) = connection.execute(query).fetchone()
        return int(found)
    finally:
        connection.close()
