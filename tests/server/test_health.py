from __future__ import annotations

from importlib.metadata import version

import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from tests.server.hub import API, refusal


@pytest.mark.parametrize("prefix", ["", API])
@pytest.mark.parametrize("probe", ["livez", "readyz"])
def test_a_healthy_server_says_so(http: TestClient, prefix: str, probe: str) -> None:
    """Both probes are 200, at the root and under the prefix, without a body for HEAD."""
    path = f"{prefix}/{probe}"
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


def test_the_version_is_that_of_the_package(http: TestClient) -> None:
    """``version`` is the release that runs."""
    assert http.get(f"{API}/version").json()["version"] == version("perdure")


def test_workers_are_listed(http: TestClient) -> None:
    """The live workers of the hub are listed."""
    assert len(http.get(f"{API}/workers").json()["items"]) == 1


def test_probes_take_no_parameters(http: TestClient) -> None:
    """A parameter where none is known is 422."""
    assert refusal(http.get("/livez?verbose")) == (422, "unknown_parameter")
