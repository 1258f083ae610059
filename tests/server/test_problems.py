from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from perdure.engine import errors
from perdure.server.problems import HANDLERS, status_of
from tests.server.hub import API, refusal


def asked(failure: Exception) -> Any:
    """The answer of a route that fails like this."""

    async def endpoint(request: Request) -> Response:
        raise failure

    app = Starlette(routes=[Route("/", endpoint)], exception_handlers=dict(HANDLERS))
    return TestClient(app, raise_server_exceptions=False).get("/")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.UserError, 422),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.Ended, 410),
        (errors.LimitExceeded, 422),
        (errors.NonDeterminismError, 500),
        (errors.Refused, 500),
        (errors.Busy, 503),
        (errors.OutcomeUnknown, 503),
        (errors.FenceLost, 503),
    ],
)
def test_every_error_has_its_status(kind: Callable[[], errors.PerdureError], status: int) -> None:
    """The kind of an engine error decides the status of the answer."""
    assert status_of(kind()) == status


def test_a_user_reads_the_error_with_its_hint() -> None:
    """The text and the hint of a user's error are in the answer."""
    problem = asked(errors.NotFound("no such thing", hint="look there")).json()
    assert (problem["detail"], problem["hint"]) == ("no such thing", "look there")


def test_a_busy_database_is_worth_another_try() -> None:
    """What may succeed later is 503 and says when to try again."""
    answer = asked(errors.Busy("locked: SELECT secret"))
    assert refusal(answer) == (503, "busy")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("failure", [errors.Refused("secret"), errors.Busy("secret"), ValueError("secret")])
def test_the_inside_stays_inside(failure: Exception) -> None:
    """The text of an internal error is not in the answer."""
    assert "secret" not in asked(failure).text


def test_the_log_has_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    """The text of an internal error is in the log, with the request."""
    with caplog.at_level(logging.ERROR, logger="perdure.server"):
        asked(errors.Refused("the row"))
    record = caplog.records[0]
    assert record.exc_info is not None
    assert (record.getMessage(), str(record.exc_info[1])) == ("GET / failed", "the row")


def test_a_crash_is_a_problem_too() -> None:
    """An error that nobody foresaw is 500 without a traceback."""
    answer = asked(ZeroDivisionError())
    assert refusal(answer) == (500, "internal")
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/api", API, f"{API}/", f"{API}/nothing", f"{API}/instances/", "/%6Civez"]
)
def test_an_unknown_path_is_a_problem(http: TestClient, path: str) -> None:
    """What is not in the table of routes is 404, and is never redirected."""
    assert refusal(http.get(path)) == (404, "no_such_route")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", f"{API}/instances", {"GET", "HEAD", "POST", "DELETE"}),
        ("PUT", f"{API}/definitions/a", {"GET", "HEAD"}),
        ("GET", f"{API}/instances/a/terminate", {"POST"}),
        ("POST", "/livez", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_a_problem(http: TestClient, method: str, path: str, allowed: set[str]) -> None:
    """A path with another method is 405 and names the methods that it has."""
    answer = http.request(method, path)
    assert refusal(answer) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_nothing_that_is_sent_crashes_it(http: TestClient) -> None:
    """Whatever the path, the query, the headers and the body are, the answer is no crash."""
    value = st.text(max_size=8) | st.sampled_from(["echo", "gate", "echo@1.0.0", "a", "@", "1.0.0", "\0"])
    place = st.sampled_from(
        [["definitions"], ["instances"], ["instances", "a", "events"], ["instances", "a"]]
    )
    words = st.sampled_from(["history", "explain", "suspend", "resume", "cancel", "terminate"])
    keys = st.sampled_from(
        "wait history limit cursor generation status name tag format dry_run filename".split()
    )
    body = st.binary(max_size=20) | st.sampled_from(
        [b"{}", b'{"workflow":"echo","id":"a"}', b'{"reason":"x"}']
    )
    kinds = st.sampled_from(["application/json", "application/yaml", "text/plain", "\xff;=", ""])
    header = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=5)

    @given(
        method=st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
        path=st.tuples(place, st.lists(value | words, max_size=2)),
        query=st.lists(st.tuples(keys | value, value | st.sampled_from(["1", "1ms", "json"])), max_size=2),
        body=body,
        kind=kinds,
        key=header,
    )
    def send(
        method: str,
        path: tuple[list[str], list[str]],
        query: list[tuple[str, str]],
        body: bytes,
        kind: str,
        key: str,
    ) -> None:
        url = "/".join(quote(each, safe="") for each in [*path[0], *path[1]])
        headers = {b"content-type": kind.encode("latin-1"), b"idempotency-key": key.encode("latin-1")}
        answer = http.request(method, f"{API}/{url}", params=dict(query), content=body, headers=headers)
        assert answer.status_code < 500, answer.text

    send()
