"""Queries, and the statuses of declared errors, over HTTP."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from tests.server.hub import API, ended, given_instance, given_server, refusal

INSTANCES = f"{API}/instances"
ASKED = """\
dsl: perdure/1
name: asked
version: 1.0.0
errors: { OutOfStock: { status: 409 } }
queries: { left: "${ input - 1 }", broken: "${ 1 / (input - 7) }" }
do:
- raise: { error: OutOfStock }
"""


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server where ``asked`` is deployed."""
    with given_server(ASKED) as client:
        yield client


def test_a_query_is_answered(http: TestClient) -> None:
    """Also of an instance that has ended."""
    instance = given_instance(http, "asked", input=3)
    ended(http, instance)
    answer = http.get(f"{instance}/queries/left")
    name = instance.removeprefix(f"{INSTANCES}/")
    assert (answer.status_code, answer.json()) == (200, {"id": name, "query": "left", "value": 2})


def test_what_cannot_be_answered_is_told(http: TestClient) -> None:
    """An unknown name or instance is 404, an expression that fails 422."""
    instance = given_instance(http, "asked", input=7)
    assert refusal(http.get(f"{instance}/queries/right")) == (404, "not_found")
    assert refusal(http.get(f"{INSTANCES}/none/queries/left")) == (404, "not_found")
    assert refusal(http.get(f"{instance}/queries/broken")) == (422, "query")


def test_a_declared_error_has_its_status(http: TestClient) -> None:
    """A start that waits answers with it, and with the instance all the same."""
    answer = http.post(f"{INSTANCES}?wait=60s", json={"workflow": "asked", "input": 1})
    assert (answer.status_code, answer.json()["error"]["type"]) == (409, "OutOfStock")
