"""Workers on PostgreSQL that look for themselves once in an hour: what is done at once was told to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store.postgres import PostgresStore
from perdure.engine.worker import Worker
from perdure.server.deployments import deploy_source
from tests.engine.driver import compiled
from tests.engine.facts import WAIT, eventually
from tests.postgres import Server

pytestmark = pytest.mark.slow  # a server is started

HOUR = 3600.0
"""Longer than any test waits."""

WAITING = compiled('do: [{ e: { wait_for_event: go, timeout: never } }, { return: "${ e }" }]').program
QUEUED = compiled('do: [{ d: { call: Double, with: 21, queue: far } }, { return: "${ d }" }]').program
ECHO = 'dsl: perdure/1\nname: echo\nversion: 1.0.0\ndo: [{ return: "${ input }" }]\n'

Join = Callable[..., Worker]


@pytest.fixture
def url(postgres: Server) -> str:
    """The hub."""
    return postgres.new_hub()


@pytest.fixture
def join(url: str) -> Iterator[Join]:
    """Starts a worker as another process would, which listens when it is returned."""
    workers: list[Worker] = []

    def joined(registry: Registry | None = None, **options: object) -> Worker:
        worker = Worker(PostgresStore(url), registry or Registry(), poll=HOUR, **options)  # type: ignore[arg-type]
        worker.start()
        workers.append(worker)
        eventually(lambda: worker.store.listening)
        return worker

    yield joined
    for worker in workers:
        worker.stop()
        worker.store.close()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client in a process without a worker."""
    store = PostgresStore(url)
    yield Client(store)
    store.close()


def waits_for_an_event(client: Client) -> bool:
    """Whether the instance ``i`` has come so far."""
    return bool(client.waiting("i"))


def test_an_event_of_another_process_is_heard(client: Client, join: Join) -> None:
    """And before that the start."""
    join()
    client.run(WAITING, id="i")
    eventually(lambda: waits_for_an_event(client))
    client.raise_event("i", "go", 7)
    assert client.wait("i", WAIT)["output"] == 7


def test_what_is_delayed_begins_though_nobody_tells(client: Client, join: Join) -> None:
    """Who sleeps knows when it is due."""
    join()
    deploy_source(client, ECHO, "echo.yaml")
    client.start("echo", 7, id="i", delay=0.5)
    assert client.wait("i", WAIT)["output"] == 7


def test_a_task_and_its_result_are_heard(client: Client, join: Join) -> None:
    """Whoever takes turns tells who runs activities, and that one tells what came of it."""
    join()
    far = Registry()
    far.add("Double", lambda n: 2 * n)
    join(far, queues=("far",), takes_turns=False)
    client.run(QUEUED, id="i")
    assert client.wait("i", WAIT)["output"] == 42


def test_a_worker_hears_again_after_its_connection_was_lost(
    client: Client, join: Join, postgres: Server
) -> None:
    """It looks itself meanwhile, and what was told to nobody is found."""
    worker = join()
    client.run(WAITING, id="i")
    eventually(lambda: waits_for_an_event(client))
    with postgres.connect() as sql:
        _deafen(sql)
    client.raise_event("i", "go", 7)
    assert client.wait("i", WAIT)["output"] == 7
    eventually(lambda: worker.store.listening)
    client.run(WAITING, id="j")
    client.raise_event("j", "go", 8)
    assert client.wait("j", WAIT)["output"] == 8


def _deafen(sql: psycopg.Connection) -> None:
    query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    assert sql.execute(query).fetchall() == [(True,)]
