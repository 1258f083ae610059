"""How often a key may ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from perdure.engine import clock
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.server import rates
from perdure.server.app import create_app
from perdure.server.rates import Rates
from perdure.server.settings import Settings
from tests.server.hub import API, refusal


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def monotonic(self) -> float:
        """What it shows."""
        return self.now

    def wait(self, event: object, timeout: float | None) -> bool:
        """Nobody waits here."""
        raise AssertionError


@pytest.fixture
def time() -> Iterator[Clock]:
    """The clock of a test."""
    source = Clock()
    with clock.driven_by(source):
        yield source


def test_a_key_may_ask_so_often(time: Clock) -> None:
    """As many as in a second at once, then at the rate; each key by itself."""
    limit = Rates(4.0)
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 0, 0.25]
    assert limit.wait("b") == 0
    time.now += 0.25
    assert [limit.wait("a") for _ in range(2)] == [0, 0.25]
    time.now += 60
    assert [limit.wait("a") for _ in range(5)] == [0, 0, 0, 0, 0.25]


def test_a_slow_rate_lets_one_through(time: Clock) -> None:
    """Less than one a second."""
    limit = Rates(0.1)
    assert [limit.wait("a") for _ in range(2)] == [0, 10]


@pytest.mark.usefixtures("time")
def test_keys_that_are_counted_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has not asked for longest is forgotten."""
    monkeypatch.setattr(rates, "REMEMBERED", 2)
    limit = Rates(1.0)
    for key in "abc":
        limit.wait(key)
    assert len(limit._full) == 2
    assert [limit.wait(key) for key in "ca"] == [1.0, 0]


def test_without_a_rate_nobody_is_counted() -> None:
    """Nothing is kept either."""
    limit = Rates(None)
    assert [limit.wait("a") for _ in range(1000)] == [0] * 1000
    assert not limit._full


def test_a_key_that_asks_too_often_is_told_when_to_come_back() -> None:
    """429; another key, and the probes, are answered."""
    client = Client(open_store("memory://"))
    one, other = (client.create_key(name, "viewer")["secret"] for name in ("one", "other"))
    with TestClient(create_app(client, None, Settings(key_rate=1 / 60)), base_url="http://127.0.0.1") as http:
        first, again = (
            http.get(f"{API}/instances", headers={"authorization": f"Bearer {one}"}) for _ in "ab"
        )
        assert first.status_code == 200
        assert refusal(again) == (429, "rate_limited")
        assert 0 < int(again.headers["retry-after"]) <= 60
        there = http.get(f"{API}/instances", headers={"authorization": f"Bearer {other}"})
        assert (there.status_code, http.get("/livez").status_code) == (200, 200)
