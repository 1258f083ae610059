"""The path that was probably meant."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from perdure.server.app import ROUTES
from perdure.server.near import near_path

PATHS = {
    "/stats": "/stats",
    "/api/stats": "/stats",
    "/v1/stats": "/stats",
    "/api/v1/stat": "/stats",
    "/api/v1/stats/": "/stats",
    "/instances": "/instances",
    "/api/v1/instance/a%20b": "/instances/a%20b",
    "/api/v1/instances/a/histroy": "/instances/a/history",
    "/api/v1/definition/order": "/definitions/order",
    "/": None,
    "/api/v1": None,
    "/something": None,
    "/api/v1/instances//events": None,
    "/a" * 50: None,
    "/" + "s" * 100_000: None,
}


@pytest.mark.parametrize(("path", "meant"), PATHS.items(), ids=[each[:30] for each in PATHS])
def test_the_nearest_path(path: str, meant: str | None) -> None:
    """With what stands where a name belongs; nothing for what is like none of them."""
    found = near_path(path, [each.path for each in ROUTES], "/api/v1")
    assert found == (None if meant is None else f"/api/v1{meant}")


def test_an_unknown_path_is_answered_with_the_nearest(http: TestClient) -> None:
    """Whoever forgets the prefix is told of it."""
    assert "did you mean /api/v1/stats?" in http.get("/stats").json()["hint"]
    assert "did you mean" not in http.get("/nothing/of/that").json()["hint"]
