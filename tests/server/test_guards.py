from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from perdure.server.guards import Guard, _is_here, is_loopback
from tests.server.hub import API, refusal

START = f"{API}/instances"


def start_with(http: TestClient, **headers: str) -> int:
    """The status of a start with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.post(START, json={"workflow": "echo"}, headers=named).status_code


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", ""])
def test_a_page_of_another_site_changes_nothing(http: TestClient, site: str) -> None:
    """A browser that says it shows another site is refused with 403."""
    answer = http.post(START, json={"workflow": "echo"}, headers={"sec-fetch-site": site})
    assert refusal(answer) == (403, "cross_origin")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:81", "http://localhost"])
def test_a_page_of_another_origin_changes_nothing(http: TestClient, origin: str) -> None:
    """A browser too old to say so is known by its Origin."""
    assert start_with(http, origin=origin) == 403


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1"}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}],
    ids=str,
)
def test_own_pages_and_programs_may(http: TestClient, headers: dict[str, str]) -> None:
    """Programs, and pages of this very server, may change things."""
    assert start_with(http, **headers) == 201


def test_looking_is_no_change(http: TestClient) -> None:
    """A link from another site to a GET route works."""
    assert http.get(START, headers={"sec-fetch-site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7410", "10.0.0.1", "127.0.0.1.evil.example", "[", ""]
)
def test_a_foreign_name_reads_nothing(http: TestClient, host: str) -> None:
    """A name that was pointed at this machine from outside is refused with 400."""
    assert refusal(http.get(START, headers={"host": host})) == (400, "foreign_host")


def test_a_host_longer_than_any_name_is_refused_and_not_remembered(http: TestClient) -> None:
    """A thousand of them, of all that a head may have, would be kept for ever: only their length is seen."""
    _is_here.cache_clear()
    names = ["x" * 260, "localhost:" + "0" * 50_000]
    assert [refusal(http.get(START, headers={"host": each})) for each in names] == [(400, "foreign_host")] * 2
    assert _is_here.cache_info().currsize == 0
    assert refusal(http.get(START, headers={"host": "x" * 253 + ":65535"})) == (400, "foreign_host")
    assert _is_here.cache_info().currsize == 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:7410", "127.9.9.9", "[::1]:7410"])
def test_own_names_may_be_used(http: TestClient, host: str) -> None:
    """Every name and address of this machine alone is fine."""
    assert http.get(START, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "", "127.1", "localhost."])
def test_only_loopback_is_loopback(host: str) -> None:
    """What others may reach, or what is no clear address, is not loopback."""
    assert not is_loopback(host)


def test_bytes_in_a_query_reach_nobody_unescaped() -> None:
    """Some servers hand them on as they were sent; what reads them here expects ASCII."""
    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"localhost")]}
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["query_string"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    asyncio.run(Guard(app)({**scope, "raw_path": b"/", "query_string": b"a=%41\xa2&b"}, nothing, nothing))
    assert seen == [b"a=%41%A2&b"]
