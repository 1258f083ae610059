"""What there is to see of an instance: events that are looked for, its state, some of its fields."""

from __future__ import annotations

import json
import re
from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from tests.engine.facts import eventually
from tests.server.hub import API, ended, given_instance, given_server, refusal

WORK = """\
dsl: perdure/1
name: work
version: 1.0.0
vars: { total: 0 }
events: { Go: {} }
do:
- tried:
    try:
    - first: { call: Refuse, retry: { attempts: 2, delay: 1ms } }
    catch:
    - errors: ["*"]
      do:
      - set: { total: "${ vars.total + 1 }" }
- each:
    fan_out: "${ [1, 2] }"
    each: item
    do:
    - second: { call: Double, with: "${ item }" }
- go: { wait_for_event: Go, timeout: never }
- return: ${ vars.total }
"""


def _refuse() -> None:
    raise ValueError("no")


def _double(number: int) -> int:
    return 2 * number


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server where ``w`` waits for its event, behind failures and a fan-out."""
    with given_server(WORK, Refuse=_refuse, Double=_double) as client:
        given_instance(client, "work", id="w")
        eventually(lambda: any(each["kind"] == "event" for each in _items(client, "explain")))
        yield client


def _items(http: TestClient, path: str, **query: str | list[str]) -> list[dict[str, object]]:
    answer = http.get(f"{API}/instances/w/{path}", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_events_of_a_type(http: TestClient) -> None:
    """One, or several."""
    kinds = [each["type"] for each in _items(http, "history", type=["TaskFailed", "TaskScheduled"])]
    assert kinds.count("TaskFailed") == 2
    assert kinds.count("TaskScheduled") == 4
    assert len(kinds) == 6
    assert _items(http, "history", type="Nothing") == []


def test_events_of_a_step(http: TestClient) -> None:
    """By its name and by its path; what answers it belongs to it."""
    found = _items(http, "history", step="second")
    assert sorted(str(each["type"]) for each in found) == ["TaskCompleted"] * 2 + ["TaskScheduled"] * 2
    (path,) = {re.sub(r"\[[^]]*\]", "[]", str(each["path"])) for each in found if "path" in each}
    assert _items(http, "history", step=path) == found


def test_events_that_failed(http: TestClient) -> None:
    """And which step they belong to, with another condition."""
    assert [each["type"] for each in _items(http, "history", failed="true")] == ["TaskFailed"] * 2
    assert len(_items(http, "history", failed="true", step="first")) == 2
    assert _items(http, "history", failed="true", step="second") == []


def test_an_end_as_failed_is_a_failure(http: TestClient) -> None:
    """Also when no activity failed: a time limit that passed is told of by the end alone."""
    source = (
        "dsl: perdure/1\nname: late\nversion: 1.0.0\ndo: [ { w: { wait_for_event: Go, timeout: 1ms } } ]\n"
    )
    sent = http.post(f"{API}/definitions", content=source, headers={"content-type": "application/yaml"})
    assert sent.status_code == 201
    http.post(f"{API}/instances", params={"wait": "1m"}, json={"workflow": "late", "id": "l"})
    (end,) = http.get(f"{API}/instances/l/history", params={"failed": "true"}).json()["items"]
    assert (end["type"], end["error"]["type"]) == ("ExecutionCompleted", "perdure.Timeout")


def test_what_is_looked_for_has_pages(http: TestClient) -> None:
    """Together they have what one page has."""
    whole = _items(http, "history", step="first")
    found, cursor = list[dict[str, object]](), None
    while True:
        query = {"step": "first", "limit": "1"} | ({} if cursor is None else {"cursor": cursor})
        page = http.get(f"{API}/instances/w/history", params=query).json()
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == whole


def test_a_history_comes_as_lines(http: TestClient) -> None:
    """All of it, whatever a page has."""
    whole = _items(http, "history")
    answer = http.get(
        f"{API}/instances/w/history", params={"limit": "1"}, headers={"accept": "application/jsonl"}
    )
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line) for line in answer.text.splitlines()] == whole


def test_the_state_of_an_instance(http: TestClient) -> None:
    """Where it stands, and what it remembers; nothing stands anywhere once it has ended."""
    state = http.get(f"{API}/instances/w/state").json()
    (fiber,) = state["fibers"]
    assert (fiber["step"], fiber["line"], fiber["waits_for"], fiber["branch_of"]) == ("go", 19, "event", None)
    assert (state["variables"], state["events_kept"]) == ({"total": 1}, [])
    http.post(f"{API}/instances/w/events/Go")
    assert ended(http, f"{API}/instances/w")["output"] == 1
    assert http.get(f"{API}/instances/w/state").json()["fibers"] == []
    assert refusal(http.get(f"{API}/instances/nobody/state")) == (404, "not_found")


def test_some_fields_of_an_instance(http: TestClient) -> None:
    """In the order in which they are asked for; others are refused with the nearest one."""
    assert http.get(f"{API}/instances/w", params={"fields": "status,id"}).json() == {
        "status": "Running",
        "id": "w",
    }
    answer = http.get(f"{API}/instances/w", params={"fields": "id,statsu"})
    assert refusal(answer) == (422, "invalid_parameter")
    assert "status" in answer.json()["hint"]


@pytest.mark.parametrize(("form", "begins"), [("svg", "<svg"), ("mermaid", "flowchart")])
def test_a_definition_is_drawn(http: TestClient, form: str, begins: str) -> None:
    """As a picture, and as what others draw."""
    answer = http.get(f"{API}/definitions/work@1.0.0", params={"format": form})
    assert answer.status_code == 200
    assert answer.text.startswith(begins)


def test_a_generation_that_has_not_been_is_404(http: TestClient) -> None:
    """An empty page is no answer to who asks for another generation than there are."""
    answer = http.get(f"{API}/instances/w/history", params={"generation": 7})
    assert refusal(answer) == (404, "not_found")
    assert (answer.json()["detail"], answer.json()["hint"]) == (
        "w has no generation 7",
        "the present one is 1",
    )
    assert http.get(f"{API}/instances/w/history", params={"generation": 1}).json()["items"]
