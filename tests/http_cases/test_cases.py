"""Every route as the OpenAPI document has it: cases of schemathesis, all checks, links included."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perdure.server.app import OPERATIONS
from tests.http_cases.cases import run
from tests.http_cases.hub import given_hub
from tests.shares import turn


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("cases", "phases", "least"),
    [
        (1, ("examples", "coverage"), 2_200),
        pytest.param(3_600, ("fuzzing", "stateful"), 2_800, marks=turn("http cases")),
    ],
    ids=["by rule", "by chance"],
)
def test_no_case_is_answered_otherwise_than_the_document_says(
    cases: int, phases: tuple[str, ...], least: int
) -> None:
    """5,000 cases in two parts: no failure, no 500, no route left out."""
    with given_hub() as hub:
        tally = run(hub, 1, cases, phases)
    print(*tally.lines(), sep="\n")  # noqa: T201
    assert not tally.failures
    assert not tally.errors
    assert tally.cases >= least
    assert not any(status >= 500 for status in tally.answers)
    assert {f"{each.method} {each.path}" for each in OPERATIONS} <= set(tally.operations)
    if "fuzzing" in phases:
        # Only the first word of a path was once one of the hub's, so that none of these was ever done.
        assert {"POST /instances/{id}/events/{name}", "POST /instances/{id}/migrate"} <= set(+tally.done)


def _more(document: Any) -> Any:
    return {**document, "secret": 1}


WRONG: dict[str, tuple[str, Callable[[int, Any], tuple[int, Any]]]] = {
    "a field that nobody described": (
        "response_schema_conformance",
        lambda status, body: (status, _more(body)),
    ),
    "what does not fit is taken": (
        "negative_data_rejection",
        lambda status, body: (202, {"changed": True}) if status == 422 else (status, body),
    ),
    "a crash": ("not_a_server_error", lambda status, body: (500, body) if status == 404 else (status, body)),
    "a status of its own": (
        "status_code_conformance",
        lambda status, body: (418, body) if status == 404 else (status, body),
    ),
    "a key is not asked for": (
        "ignored_auth",
        lambda status, body: (200, {"changed": True}) if status == 401 else (status, body),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_server_is_found(wrong: str) -> None:
    """By the check that is for it; one route is enough."""
    check, spoil = WRONG[wrong]
    with given_hub() as hub:
        tally = run(hub, 1, 30, ("fuzzing",), path="/instances/{id}/suspend", app=_Spoiled(hub.app, spoil))
    assert any(title.startswith(check) for title in tally.failures), list(tally.failures)


class _Spoiled:
    """A server whose JSON answers are changed on their way."""

    def __init__(self, app: ASGIApp, spoil: Callable[[int, Any], tuple[int, Any]]) -> None:
        self._app, self._spoil = app, spoil

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: list[Message] = []

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            status, body = self._spoil(begun[0]["status"], json.loads(message["body"]))
            kind = b"application/problem+json" if status >= 400 else b"application/json"
            await send(
                {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]}
            )
            await send({"type": "http.response.body", "body": json.dumps(body).encode()})

        await self._app(scope, receive, changed if scope["type"] == "http" else send)
