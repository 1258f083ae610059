"""Refused requests are in the audit, and no flood of them fills it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from perdure.engine.errors import StoreError
from perdure.engine.store.rows import AuditEntry
from perdure.server import denials
from perdure.server.denials import MOST, NOBODY, OTHERS, Denials
from tests.server.hub import API, ECHO, given_server, refusal


def denied(http: TestClient, key: str, count: int) -> list[dict[str, Any]]:
    """The entries, newest first, as soon as there are so many."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        page = http.get(f"{API}/audit?action=denied", headers={"authorization": f"Bearer {key}"}).json()
        found = page["items"]
    return found


def test_a_denied_request_is_audited() -> None:
    """Who, what, from where and why: without a key, with too small a role, or from a foreign page."""
    with given_server(ECHO) as http:
        admin = http.post(f"{API}/keys", json={"name": "root", "role": "admin"}).json()["secret"]
        http.headers["authorization"] = f"Bearer {admin}"
        made = http.post(f"{API}/keys", json={"name": "eve"}).json()["secret"]
        del http.headers["authorization"]
        assert http.delete(f"{API}/keys/root", headers={"authorization": f"Bearer {made}"}).status_code == 403
        (entry,) = denied(http, admin, 1)
        assert (entry["actor"], entry["target"]) == ("eve", f"DELETE {API}/keys/root")
        assert entry["details"] == {"code": "forbidden", "from": "testclient", "count": 1}


def test_a_flood_of_refusals_is_a_row() -> None:
    """What follows the first one is counted, and told later."""
    with given_server(ECHO) as http:
        admin = http.post(f"{API}/keys", json={"name": "root", "role": "admin"}).json()["secret"]
        for number in range(300):
            wrong = {"authorization": f"Bearer wrong{number}", "origin": "http://evil.example"}
            assert refusal(http.post(f"{API}/instances", headers=wrong))[0] == 401
            assert http.post(f"{API}/instances", headers={"origin": "http://evil.example"}).status_code == 403
        found = denied(http, admin, 1)
        assert len(found) <= 2
        rest = http.app.state.api.denials.taken()  # type: ignore[attr-defined]
        assert len(rest) <= 2
        told = [each["details"]["count"] for each in found]
        assert sum(told) + sum(json.loads(each.details)["count"] for each in rest) == 600
        assert {each["actor"] for each in found} == {NOBODY}


def test_refusals_are_counted_by_who_and_why() -> None:
    """The first request is named; those beyond some are counted together."""

    async def test() -> None:
        written: list[AuditEntry] = []

        async def write(entries: Sequence[AuditEntry]) -> None:
            written.extend(entries)

        counter = Denials(write)
        for number in range(3 * MOST):
            for _ in range(2):
                counter.note(f"k{number}", "forbidden", "GET", "/" + "x" * 9999, "192.0.2.1")
        entries = counter.taken()
        assert [each.actor for each in entries] == [*(f"k{n}" for n in range(MOST)), OTHERS]
        said = [json.loads(each.details) for each in entries]
        assert [each["count"] for each in said] == [*[2] * MOST, 4 * MOST]
        assert all(len(each.target) < 300 for each in entries)
        assert counter.taken() == []
        await counter.flush()
        assert written == []

    asyncio.run(test())


def test_pauses_grow_while_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of a day is some dozens of rows; after a pause without any the next one is told at once."""
    pauses: list[float] = []

    async def test() -> None:
        batches: list[int] = []

        async def write(entries: Sequence[AuditEntry]) -> None:
            batches.append(len(entries))

        counter = Denials(write)

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) < 10:
                counter.note(NOBODY, "unauthorized", "GET", "/", None)

        monkeypatch.setattr(denials.asyncio, "sleep", pause)  # type: ignore[attr-defined]
        counter.note(NOBODY, "unauthorized", "GET", "/", None)
        assert counter._task is not None
        await counter._task
        assert batches == [1] * 10
        counter.note(NOBODY, "unauthorized", "GET", "/", None)
        await counter._task
        assert len(batches) == 11

    asyncio.run(test())
    assert pauses == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0, 3600.0, 60.0]


def test_a_database_that_is_away_keeps_nobody_from_being_refused(caplog: pytest.LogCaptureFixture) -> None:
    """What it does not take is in the log."""

    async def test() -> None:
        async def write(_entries: Sequence[AuditEntry]) -> None:
            raise StoreError("it is away")

        counter = Denials(write)
        counter.note(NOBODY, "unauthorized", "GET", "/here", None)
        await counter.flush()

    asyncio.run(test())
    assert "GET /here" in caplog.text
    assert "not in the audit" in caplog.text
