"""The tool that makes very many waiting instances makes real ones."""

from __future__ import annotations

import pytest

from bench import waiting
from perdure.engine.client import Client
from perdure.engine.store.postgres import PostgresStore
from tests.postgres import Server

pytestmark = pytest.mark.slow  # a server is started, and a worker in a process of its own


def test_the_copies_of_waiting_instances_go_on(postgres: Server) -> None:
    """The engine finds no fault with their histories; the tool looks at each output itself."""
    url = postgres.new_hub()
    figures = waiting.main(["--db", url, "--count", "40", "--events", "20"])
    assert figures["bytes"]["all"] > 0
    store = PostgresStore(url)
    client = Client(store)
    ended = client.instances(statuses=["Completed"])["items"]
    running = client.instances(statuses=["Running"])["items"]
    assert (len(ended), len(running)) == (20, 20)
    assert client.instances(tags={"customer": "c7"})["items"]
    store.close()
