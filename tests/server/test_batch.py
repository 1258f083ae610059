"""Many starts in one request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from perdure.compiler.build import build
from perdure.dsl import Source
from perdure.server.deployments import deployments
from perdure.server.problems import problem_row
from tests.server.hub import API, ECHO, GATE, ended, given_server, refusal

BATCH = f"{API}/instances:batch"


def test_each_is_started_on_its_own(http: TestClient) -> None:
    """The id or the problem of each stands in its place."""
    http.post(f"{API}/instances", json={"workflow": "gate", "input": {}, "id": "taken"})
    starts = [
        {"workflow": "echo", "input": 1, "id": "a"},
        {"workflow": "nope"},
        {"workflow": "gate", "input": {"limit": "x"}},
        {"workflow": "gate", "input": {}, "id": "taken"},
        {"workflow": "echo", "input": 2},
        {"workflow": "echo", "id": "a"},
    ]
    answer = http.post(BATCH, json=starts)
    assert answer.status_code == 201
    items = answer.json()["items"]
    codes = [each["problem"]["code"] if "problem" in each else None for each in items]
    assert codes == [None, "not_found", "schema", "conflict", None, "conflict"]
    assert [each["id"] for each in items] == ["a", None, None, "taken", items[4]["id"], "a"]
    assert [ended(http, f"{API}/instances/{items[n]['id']}")["output"] for n in (0, 4)] == [1, 2]


def test_a_start_that_a_broken_schema_refuses_is_told_of_in_its_place(http: TestClient) -> None:
    """One that was deployed when nobody looked for broken patterns failed the whole list."""
    (entry,) = deployments(build(Source("gate.yaml", GATE)).workflows, [], GATE)
    program = msgspec.structs.replace(entry.program, input_schema={"pattern": "("}, name="old")
    app: Any = http.app
    app.state.api.client.deploy([msgspec.structs.replace(entry, name="old", program=program)])
    old = {"workflow": "old", "input": "x", "id": "old"}
    starts = [{"workflow": "echo", "id": "a"}, old, {"workflow": "echo", "id": "b"}]
    first, bad, last = http.post(BATCH, json=starts).json()["items"]
    assert (bad["id"], bad["problem"]["status"], bad["problem"]["code"]) == ("old", 422, "schema")
    assert (first, last) == ({"id": "a"}, {"id": "b"})
    assert refusal(http.post(f"{API}/instances", json=old)) == (422, "schema")
    assert refusal(http.get(f"{API}/instances/old")) == (404, "not_found")


def test_a_start_that_fails_inside_is_told_of_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """The text speaks of the inside: it is in the log."""
    row = problem_row(TypeError("a secret of ours"))
    assert (row["status"], row["code"]) == (500, "internal")
    assert "secret" not in str(row)
    assert "a secret of ours" in caplog.text


def test_a_batch_may_be_repeated_under_its_key(http: TestClient) -> None:
    """It has the first answers; other starts under the key are refused, each for itself."""
    key = {"idempotency-key": "today"}
    starts = [{"workflow": "echo", "input": number} for number in range(50)]
    first, second = (http.post(BATCH, json=starts, headers=key).json() for _ in range(2))
    assert first == second
    assert len(http.get(f"{API}/instances?limit=1000").json()["items"]) == 50
    other = http.post(BATCH, json=[starts[0], {"workflow": "echo", "input": -1}], headers=key).json()["items"]
    assert other[0] == first["items"][0]
    assert other[1]["problem"]["code"] == "idempotency_conflict"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ([], 422, "invalid_body"),
        ({"workflow": "echo"}, 422, "invalid_body"),
        ([{"workflow": "echo"}] * 1001, 422, "invalid_body"),
        ([{"workflow": "echo"}, 7], 422, "invalid_body"),
        ([{"workflow": "echo"}, {"workflo": "echo"}], 422, "unknown_field"),
        ([{"workflow": "echo", "delay": "soon"}], 422, "invalid_parameter"),
    ],
)
def test_a_list_that_is_none_starts_nothing(http: TestClient, body: object, status: int, code: str) -> None:
    """Also not those of it that are right."""
    assert refusal(http.post(BATCH, json=body)) == (status, code)
    assert http.get(f"{API}/instances").json()["items"] == []


def test_a_batch_without_an_owner_here() -> None:
    """What another process is to carry out is written all the same."""
    with given_server(ECHO, GATE) as http:
        api = http.app.state.api  # type: ignore[attr-defined]
        worker, api.client.worker = api.client.worker, None
        items = http.post(BATCH, json=[{"workflow": "echo", "input": 1}, {"workflow": "nope"}]).json()[
            "items"
        ]
        api.client.worker = worker
        assert ended(http, f"{API}/instances/{items[0]['id']}")["output"] == 1
        assert items[1]["problem"]["status"] == 404


@pytest.mark.parametrize(
    ("start", "code"),
    [
        ({"start_at": "AAA"}, "invalid_time"),
        ({"id": "a/b"}, "invalid_id"),
        ({"if_exists": "perhaps"}, "invalid"),
    ],
)
def test_what_can_be_no_start_is_refused_whatever_is_deployed(
    http: TestClient, start: dict[str, str], code: str
) -> None:
    """Not as a workflow that is not there, nor as one row of a list that is accepted."""
    body = {"workflow": "nowhere", **start}
    assert refusal(http.post(f"{API}/instances", json=body)) == (422, code)
    rows = [{"workflow": "echo"}, body]
    assert refusal(http.post(f"{API}/instances:batch", json=rows)) == (422, code)
    assert http.get(f"{API}/instances").json()["items"] == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (7, "invalid_body"),
        ({"workflo": "echo"}, "unknown_field"),
        ({"workflow": "echo", "id": "a/b"}, "invalid_id"),
        ({"workflow": "echo", "delay": "soon"}, "invalid_parameter"),
    ],
)
def test_a_refused_list_says_which_start_is_wrong(http: TestClient, wrong: object, code: str) -> None:
    """By its place from 0, in words too: one of a thousand was not to be found."""
    fine = {"workflow": "echo"}
    answer = http.post(BATCH, json=[fine, fine, wrong, fine])
    assert refusal(answer) == (422, code)
    assert answer.json()["index"] == 2
    assert answer.json()["detail"].startswith("the start at index 2: ")
    assert http.get(f"{API}/instances").json()["items"] == []
