from __future__ import annotations

import threading
from importlib.metadata import version

import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server import readiness
from perdure.server.app import create_app
from tests.engine.facts import eventually
from tests.server.hub import API, refusal


@pytest.mark.parametrize("prefix", ["", API])
@pytest.mark.parametrize("probe", ["livez", "readyz"])
def test_a_healthy_server_says_so(http: TestClient, prefix: str, probe: str) -> None:
    """Both probes are 200, at the root and under the prefix, without a body for HEAD."""
    path = f"{prefix}/{probe}"
    while http.get(path).status_code == 503:
        pass  # The worker takes its slots a moment after it has joined.
    assert (http.get(path).status_code, http.head(path).status_code) == (200, 200)


def test_a_worker_that_is_gone_is_not_ready() -> None:
    """When the worker of the process has ended, the server lives and is not ready."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        http = TestClient(create_app(Client(store, worker), worker), base_url="http://localhost")
    assert refusal(http.get("/readyz")) == (503, "not_ready")
    assert http.get("/livez").status_code == 200


def test_a_database_that_is_gone_is_not_ready() -> None:
    """When the database does not answer, the server is not ready."""
    store = open_store("memory://")
    http = TestClient(create_app(Client(store), None), base_url="http://localhost")
    store.close()
    assert refusal(http.get("/readyz")) == (503, "not_ready")


def test_a_hub_whose_slots_nobody_owns_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with a worker does not say that all is well while nobody takes turns."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        http = TestClient(create_app(Client(store, worker), worker), base_url="http://localhost")
        eventually(lambda: http.get("/readyz").status_code != 503)
        monkeypatch.setattr(store, "owned_slots", lambda: {worker.id: 200, "of one that is dead": 56})
        answer = http.get("/readyz")
        assert refusal(answer) == (503, "not_ready")
        assert "56 of the 256 slots" in answer.json()["detail"]


def test_a_server_that_is_to_stop_is_not_ready(http: TestClient) -> None:
    """At once, while it still answers what came before; it is alive."""
    http.app.state.api.readiness.stopping = True  # type: ignore[attr-defined]
    answer = http.get("/readyz")
    assert refusal(answer) == (503, "not_ready")
    assert answer.headers["retry-after"] == "1"
    assert http.get("/livez").status_code == 200


def test_a_database_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe answers all the same, and hangs one thread however often it is asked."""
    store, over, looks = open_store("memory://"), threading.Event(), []

    def hang() -> dict[str, int]:
        looks.append(1)
        over.wait()
        return {}

    monkeypatch.setattr(readiness, "PATIENCE", 0.01)
    monkeypatch.setattr(store, "owned_slots", hang)
    with TestClient(create_app(Client(store), None), base_url="http://localhost") as http:
        for _ in range(3):
            assert refusal(http.get("/readyz")) == (503, "not_ready")
        assert len(looks) == 1
        over.set()
        eventually(lambda: http.get("/readyz").status_code != 503)


def test_the_version_is_that_of_the_package(http: TestClient) -> None:
    """``version`` is the release that runs."""
    assert http.get(f"{API}/version").json()["version"] == version("perdure")


def test_workers_are_listed(http: TestClient) -> None:
    """The live workers of the hub are listed."""
    assert len(http.get(f"{API}/workers").json()["items"]) == 1


def test_probes_take_no_parameters(http: TestClient) -> None:
    """A parameter where none is known is 422."""
    assert refusal(http.get("/livez?verbose")) == (422, "unknown_parameter")
