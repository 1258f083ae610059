"""Events without an instance's id, over HTTP."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.engine.facts import eventually
from tests.server.hub import API, ended, given_instance, given_server, refusal

PAID = """\
dsl: perdure/1
name: pay
version: 1.0.0
events: { Paid: { schema: { type: object, required: [order] } } }
do:
- paid: { wait_for_event: Paid, correlate: "${ event.order == input }", timeout: never }
- return: ${ paid }
"""


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server where ``pay`` is deployed."""
    with given_server(PAID) as client:
        yield client


def publish(http: TestClient, payload: Any, **headers: str) -> Any:
    """The answer to an event of this content."""
    return http.post(f"{API}/events/Paid", json=payload, headers=headers)


def waiting(http: TestClient) -> str:
    """The path of an instance that waits for the order 17."""
    path = given_instance(http, "pay", input=17)
    eventually(lambda: http.get(f"{path}/explain").json()["items"])
    return path


def test_an_event_finds_who_waits(http: TestClient) -> None:
    """It is 202 with the ids; repeated with its key the same; then nobody waits."""
    path = waiting(http)
    found = {"event": "Paid", "ids": [path.rpartition("/")[2]]}
    for _ in range(2):
        answer = publish(http, {"order": 17}, **{"idempotency-key": "once"})
        assert (answer.status_code, answer.json()) == (202, found)
    assert ended(http, path)["output"] == {"order": 17}
    assert refusal(publish(http, {"order": 17})) == (404, "not_found")


def test_an_event_fits_its_schema(http: TestClient) -> None:
    """A payload that nobody's schema allows is 422."""
    waiting(http)
    assert refusal(publish(http, {})) == (422, "schema")
