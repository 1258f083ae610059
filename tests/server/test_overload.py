"""A server that has too much to do says so."""

from __future__ import annotations

from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.settings import Settings
from tests.server.hub import API, refusal


def test_calls_beyond_those_that_may_wait_are_refused() -> None:
    """429, and when to come back."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        app = create_app(Client(store, worker), worker, Settings(waiting=0))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            answer = http.get(f"{API}/instances")
    assert refusal(answer) == (429, "overloaded")
    assert answer.headers["retry-after"] == "1"
