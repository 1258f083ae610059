"""Named queues over HTTP."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from tests.server.hub import API, given_server, refusal


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server."""
    with given_server() as client:
        yield client


def test_a_rate_is_set_and_taken_away(http: TestClient) -> None:
    """It is listed as long as it stands."""
    assert http.put(f"{API}/queues/slow", json={"rate": "10/s"}).json() == {"name": "slow", "rate": "10/s"}
    assert http.get(f"{API}/queues").json() == {
        "items": [{"name": "slow", "rate": "10/s", "workers": 0, "waiting": 0}],
        "next": None,
    }
    assert http.put(f"{API}/queues/slow", json={"rate": None}).json() == {"name": "slow", "rate": None}
    assert http.get(f"{API}/queues").json()["items"] == []


def test_what_is_no_rate_or_queue(http: TestClient) -> None:
    """Is 422."""
    assert refusal(http.put(f"{API}/queues/slow", json={"rate": "fast"})) == (422, "invalid_queue")
    assert refusal(http.put(f"{API}/queues/default", json={"rate": "1/s"})) == (422, "invalid_queue")
    assert refusal(http.put(f"{API}/queues/slow", json={})) == (422, "invalid_body")
