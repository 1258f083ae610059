"""Entities over HTTP: look, call, signal, delete."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.engine.counter import COUNTER
from tests.engine.facts import eventually
from tests.server.hub import API, JSON, given_instance, given_server, refusal

HOLDER = """\
dsl: perdure/1
name: holder
version: 1.0.0
do:
  - alone:
      lock_entities: [ Counter@a ]
      do: [ go: { wait_for_event: Go, timeout: never } ]
"""


@pytest.fixture
def http() -> Generator[TestClient]:
    """A server where counters are deployed, and a workflow that holds one."""
    with given_server(COUNTER, HOLDER) as client:
        yield client


def call(http: TestClient, operation: str, value: Any = None, *, of: str = "a", **more: Any) -> Any:
    """The answer to a call."""
    params = {"call": "true", **more.pop("params", {})}
    path = f"{API}/entities/Counter@{of}/{operation}"
    return http.post(path, params=params, headers={**JSON, **more}, json=value)


def test_a_call_is_answered_with_its_result(http: TestClient) -> None:
    """200, and the next one sees what it has done."""
    assert (call(http, "add", 3).status_code, call(http, "add", 4).json()) == (200, {"result": 7})
    assert call(http, "get").json() == {"result": 7}


def test_a_failure_is_a_problem_with_its_error(http: TestClient) -> None:
    """422, with the type, message and data that a workflow would catch."""
    answer = call(http, "fail")
    assert refusal(answer) == (422, "operation_failed")
    assert answer.json()["error"] == {"type": "Never", "message": "it is 0", "data": None}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("Counter@a/add", "x", (422, "schema")),
        ("Counter@a/get", 1, (422, "schema")),
        ("Counter@a/burn", None, (404, "not_found")),
        ("Nothing@a/add", 1, (404, "not_found")),
        ("Counter/add", 1, (422, "invalid_entity")),
        ("Counter@/add", 1, (422, "invalid_entity")),
    ],
)
def test_what_cannot_be_carried_out_is_refused(
    http: TestClient, path: str, value: Any, expected: tuple[int, str]
) -> None:
    """At once, a signal as well as a call, and nothing is left of it."""
    for params in ({}, {"call": "true"}):
        assert refusal(http.post(f"{API}/entities/{path}", params=params, json=value)) == expected
    assert http.get(f"{API}/entities").json() == {"items": [], "next": None}


def test_a_signal_is_accepted(http: TestClient) -> None:
    """202; it is durable then, and carried out before a call that comes later."""
    answer = http.post(f"{API}/entities/Counter@a/add", json=5)
    assert (answer.status_code, answer.json()) == (202, {"id": "Counter@a", "operation": "add"})
    assert call(http, "get").json() == {"result": 5}


def test_a_signal_for_later_waits_for_its_time(http: TestClient) -> None:
    """What is due comes now, what is not does not."""
    http.post(f"{API}/entities/Counter@a/add", params={"at": "2999-01-01T00:00:00Z"}, json=5)
    http.post(f"{API}/entities/Counter@b/add", params={"at": "2001-01-01T00:00:00Z"}, json=5)
    assert call(http, "get").json() == {"result": 0}
    assert call(http, "add", 1, of="b").json() == {"result": 6}


def test_a_key_makes_a_call_repeatable(http: TestClient) -> None:
    """The first answer is given again; with another body it is refused."""
    key = {"idempotency-key": "k1"}
    assert [call(http, "add", 3, **key).json() for _ in range(3)] == [{"result": 3}] * 3
    assert refusal(call(http, "add", 4, **key)) == (409, "idempotency_conflict")
    assert refusal(call(http, "fail", **{"idempotency-key": "k2"})) == (422, "operation_failed")
    assert refusal(call(http, "fail", **{"idempotency-key": "k2"})) == (422, "operation_failed")
    assert call(http, "get").json() == {"result": 3}


def test_a_call_waits_no_longer_than_it_wants(http: TestClient) -> None:
    """202 while somebody holds the entity; under its key the answer is found later."""
    instance = given_instance(http, "holder")
    eventually(lambda: http.get(f"{API}/entities/Counter@a").status_code == 404 and _asked(http, instance))
    key = {"idempotency-key": "k1"}
    answer = call(http, "add", 2, params={"wait": "0s"}, **key)
    assert (answer.status_code, answer.json()) == (202, {"id": "Counter@a", "operation": "add"})
    assert call(http, "add", 2, params={"wait": "0s"}).status_code == 202
    http.post(f"{instance}/events/Go")
    assert call(http, "add", 2, params={"wait": "60s"}, **key).json() == {"result": 2}
    assert call(http, "get", params={"wait": "60s"}).json() == {"result": 4}


def _asked(http: TestClient, instance: str) -> bool:
    waiting = http.get(f"{instance}/explain").json()["items"]
    return any(each["name"] == "Go" for each in waiting)


def test_entities_are_shown_and_listed(http: TestClient) -> None:
    """By type and key, a page at a time."""
    for key in ("a", "ab", "b"):
        call(http, "add", 1, of=key)
    shown = http.get(f"{API}/entities/Counter@ab").json()
    assert {name: shown[name] for name in ("id", "type", "key", "state", "locked_by", "busy")} == {
        "id": "Counter@ab",
        "type": "Counter",
        "key": "ab",
        "state": 1,
        "locked_by": None,
        "busy": False,
    }
    assert refusal(http.get(f"{API}/entities/Counter@c")) == (404, "not_found")
    page = http.get(f"{API}/entities", params={"name": "Counter", "key": "a", "limit": 1}).json()
    assert [each["id"] for each in page["items"]] == ["Counter@a"]
    page = http.get(f"{API}/entities", params={"key": "a", "limit": 1, "cursor": page["next"]}).json()
    assert ([each["id"] for each in page["items"]], page["next"]) == (["Counter@ab"], None)
    future = {"updated_from": "2999-01-01T00:00:00Z"}
    assert http.get(f"{API}/entities", params=future).json()["items"] == []
    assert refusal(http.get(f"{API}/entities", params={"updated_to": "soon"})) == (422, "invalid_time")


def test_nobody_waits_for_the_end_of_what_is_of_no_type(http: TestClient) -> None:
    """There is nobody who could delete it, nor anything to delete."""
    assert refusal(http.delete(f"{API}/entities/Nobody@a")) == (404, "not_found")


def test_an_entity_is_deleted(http: TestClient) -> None:
    """202; who did it is in the audit."""
    call(http, "add", 1)
    answer = http.delete(f"{API}/entities/Counter@a", params={"reason": "old"})
    assert (answer.status_code, answer.json()) == (202, {"id": "Counter@a"})
    assert call(http, "get").json() == {"result": 0}
    (entry,) = http.get(f"{API}/audit", params={"action": "entity.delete"}).json()["items"]
    assert entry["target"] == "Counter@a"


@pytest.mark.parametrize("params", [{"call": "true", "at": "2999-01-01T00:00:00Z"}, {"wait": "1s"}])
def test_parameters_that_do_not_fit_together_are_refused(http: TestClient, params: dict[str, str]) -> None:
    """A call is for now, and only a call waits."""
    assert http.post(f"{API}/entities/Counter@a/add", params=params, json=1).status_code == 422


def test_an_entity_is_no_workflow(http: TestClient) -> None:
    """It is not started, nor deployed under the name of one."""
    assert refusal(http.post(f"{API}/instances", json={"workflow": "Counter"})) == (409, "no_workflow")
    text = HOLDER.replace("name: holder", "name: Counter")
    answer = http.post(f"{API}/definitions", content=text, headers={"content-type": "application/yaml"})
    assert refusal(answer) == (409, "definition_conflict")


@pytest.mark.slow
def test_two_thousand_concurrent_adds_have_the_exact_sum(http: TestClient) -> None:
    """Each counts once, and no two see the same state."""
    with ThreadPoolExecutor(32) as pool:
        seen = list(pool.map(lambda _: call(http, "add", 1).json()["result"], range(2000)))
    assert sorted(seen) == list(range(1, 2001))
    assert call(http, "get").json() == {"result": 2000}
