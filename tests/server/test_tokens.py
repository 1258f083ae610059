"""Completing activities over HTTP."""

from __future__ import annotations

from collections.abc import Generator
from queue import SimpleQueue

import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Context, Pending
from tests.server.hub import API, ended, given_instance, given_server, refusal

ASKED = """\
dsl: perdure/1
name: asked
version: 1.0.0
do:
- said: { call: Ask }
- return: ${ said }
"""


@pytest.fixture
def tokens() -> SimpleQueue[str]:
    """What the activity gives away."""
    return SimpleQueue()


@pytest.fixture
def http(tokens: SimpleQueue[str]) -> Generator[TestClient]:
    """A client of a server where ``asked`` is deployed."""

    def ask(ctx: Context) -> None:
        tokens.put(ctx.token())
        raise Pending

    with given_server(ASKED, Ask=ask) as client:
        yield client


def test_a_token_completes_its_activity(http: TestClient, tokens: SimpleQueue[str]) -> None:
    """202 the first time, 200 for the same again, 409 for something else."""
    instance = given_instance(http, "asked")
    path = f"{API}/tokens/{tokens.get(timeout=20)}/complete"
    answers = [http.post(path, json={"yes": True}) for _ in range(2)]
    assert [(each.status_code, each.json()) for each in answers] == [
        (202, {"changed": True}),
        (200, {"changed": False}),
    ]
    assert ended(http, instance)["output"] == {"yes": True}
    assert refusal(http.post(path, json=1)) == (409, "conflict")


def test_a_token_fails_its_activity(http: TestClient, tokens: SimpleQueue[str]) -> None:
    """With an error of the caller's."""
    instance = given_instance(http, "asked")
    path = f"{API}/tokens/{tokens.get(timeout=20)}"
    assert refusal(http.post(f"{path}/fail", json={"message": "no"})) == (422, "invalid_body")
    answer = http.post(f"{path}/fail", json={"error": "Declined", "message": "no", "data": [1]})
    assert (answer.status_code, answer.json()) == (202, {"changed": True})
    error = ended(http, instance)["error"]
    assert (error["type"], error["message"], error["data"]) == ("Declined", "no", [1])


def test_nobody_waits_for_it_any_more(http: TestClient, tokens: SimpleQueue[str]) -> None:
    """An instance that has ended is gone for it; what is no token is not found."""
    instance = given_instance(http, "asked")
    token = tokens.get(timeout=20)
    assert http.post(f"{instance}/terminate").status_code == 202
    ended(http, instance)
    assert refusal(http.post(f"{API}/tokens/{token}/complete")) == (410, "ended")
    assert refusal(http.post(f"{API}/tokens/{token}x/complete")) == (404, "not_found")
