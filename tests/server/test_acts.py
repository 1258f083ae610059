"""What operators do to instances, through HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.server.hub import API, ended, given_instance, refusal

SAID = quote("do/0/said", safe="")


def act(http: TestClient, path: str, key: str | None = None, **body: Any) -> Any:
    """The answer to an act on an instance."""
    headers = {} if key is None else {"idempotency-key": key}
    return http.post(path, json=body, headers=headers)


def given_end(http: TestClient) -> str:
    """The path of an instance that has ended."""
    instance = given_instance(http, "echo", input=1)
    ended(http, instance)
    return instance


def test_an_ended_instance_does_it_again(http: TestClient) -> None:
    """With the same input, as its next generation."""
    instance = given_end(http)
    answer = act(http, f"{instance}/restart", reason="again")
    assert (answer.status_code, answer.json()["changed"]) == (202, True)
    document = ended(http, instance)
    assert (document["output"], document["generation"]) == (1, 2)


def test_it_may_have_another_input(http: TestClient) -> None:
    """Null is one too."""
    instance = given_end(http)
    act(http, f"{instance}/restart", input=None)
    document = ended(http, instance)
    assert (document["input"], document["output"], document["generation"]) == (None, None, 2)


def test_another_instance_may_do_it(http: TestClient) -> None:
    """The first one stays as it is."""
    instance = given_end(http)
    made = f"{API}/instances/{act(http, f'{instance}/restart', new_id=True).json()['id']}"
    named = f"{API}/instances/{act(http, f'{instance}/restart', id='second').json()['id']}"
    assert len({instance, made, named}) == 3
    assert [ended(http, each)["generation"] for each in (instance, made, named)] == [1, 1, 1]
    assert refusal(act(http, f"{instance}/restart", id="second")) == (409, "conflict")


def test_a_key_makes_a_restart_repeatable(http: TestClient) -> None:
    """Sent again, it is the same one; with another body it is refused."""
    instance = given_end(http)
    assert act(http, f"{instance}/restart", key="one").status_code == 202
    assert ended(http, instance)["generation"] == 2
    assert act(http, f"{instance}/restart", key="one").status_code == 202
    assert ended(http, instance)["generation"] == 2
    assert refusal(act(http, f"{instance}/restart", key="one", input=2)) == (409, "idempotency_conflict")


def test_what_runs_is_restarted_only_on_demand(http: TestClient) -> None:
    """``terminate`` ends it first."""
    instance = given_instance(http, "gate", input={})
    assert refusal(act(http, f"{instance}/restart")) == (409, "not_ended")
    assert act(http, f"{instance}/restart", terminate=True).status_code == 202
    assert http.post(f"{instance}/events/Opened").status_code == 202
    assert http.post(f"{instance}/events/Opened").status_code == 202
    assert ended(http, instance)["generation"] == 2
    act(http, f"{instance}/terminate")


def test_the_input_of_a_restart_fits_its_schema(http: TestClient) -> None:
    """As that of a start does."""
    instance = given_instance(http, "gate", input={})
    act(http, f"{instance}/terminate")
    ended(http, instance)
    assert refusal(act(http, f"{instance}/restart", input={"limit": "many"})) == (422, "schema")


@pytest.mark.parametrize("verb", ["restart", "steps/a/resolve"])
def test_an_unknown_instance(http: TestClient, verb: str) -> None:
    """It is 404."""
    body: dict[str, Any] = {"output": 1} if "resolve" in verb else {}
    assert refusal(act(http, f"{API}/instances/nobody/{verb}", **body)) == (404, "not_found")


def test_stuck_steps_are_resolved(http: TestClient) -> None:
    """By path or by name; the instance goes on with the output."""
    instance = given_instance(http, "gate", input={})
    answer = act(http, f"{instance}/steps/{SAID}/resolve", output="yes", reason="by phone")
    assert (answer.status_code, answer.json()["changed"]) == (202, True)
    assert act(http, f"{instance}/steps/again/resolve", output=None).status_code == 202
    assert ended(http, instance)["output"] == ["yes", None]


def test_a_stuck_step_is_failed(http: TestClient) -> None:
    """With the error that it is given."""
    instance = given_instance(http, "gate", input={})
    error = {"type": "GaveUp", "message": "no answer", "data": [1]}
    assert act(http, f"{instance}/steps/said/resolve", error=error).status_code == 202
    found = ended(http, instance)["error"]
    assert {name: found[name] for name in error} == error


@pytest.mark.parametrize(
    "body", [{}, {"output": 1, "error": {"type": "A"}}, {"error": {"message": "m"}}, {"error": 1}]
)
def test_either_an_output_or_an_error(http: TestClient, body: dict[str, Any]) -> None:
    """Anything else is 422."""
    instance = given_instance(http, "gate", input={})
    assert act(http, f"{instance}/steps/said/resolve", **body).status_code == 422


def test_a_step_that_does_not_wait(http: TestClient) -> None:
    """409, with where it waits as the hint."""
    instance = given_instance(http, "gate", input={})
    answer = act(http, f"{instance}/steps/nowhere/resolve", output=1)
    assert refusal(answer) == (409, "not_waiting")
    assert answer.json()["hint"] == "it waits at: do/0/said"


def test_the_output_fits_the_event(http: TestClient) -> None:
    """What is given by hand has the schema of what it is given for."""
    instance = given_instance(http, "gate", input={})
    assert refusal(act(http, f"{instance}/steps/said/resolve", output=5)) == (422, "schema")


def test_nothing_waits_in_what_has_ended(http: TestClient) -> None:
    """It is 410."""
    assert refusal(act(http, f"{given_end(http)}/steps/said/resolve", output=1)) == (410, "ended")


def test_what_was_terminated_goes_on(http: TestClient) -> None:
    """A dry run says where; the rewind does it."""
    instance = given_instance(http, "gate", input={})
    act(http, f"{instance}/terminate")
    ended(http, instance)
    dry = act(http, f"{instance}/rewind?dry_run=true")
    assert (dry.status_code, dry.json()["paths"]) == (200, ["do/0/said"])
    assert act(http, f"{instance}/rewind", reason="by mistake").status_code == 202
    assert act(http, f"{instance}/steps/said/resolve", output=None).status_code == 202
    assert act(http, f"{instance}/steps/again/resolve", output="x").status_code == 202
    assert ended(http, instance)["output"] == [None, "x"]


def test_what_did_not_fail_is_not_rewound(http: TestClient) -> None:
    """409 with the reason, and for what has not ended."""
    answer = act(http, f"{given_end(http)}/rewind")
    assert refusal(answer) == (409, "not_rewindable")
    assert "nothing failed" in answer.json()["detail"]
    assert refusal(act(http, f"{given_instance(http, 'gate', input={})}/rewind")) == (409, "not_ended")
    assert refusal(act(http, f"{API}/instances/nobody/rewind")) == (404, "not_found")


def test_a_fork_is_another_instance(http: TestClient) -> None:
    """It has the past of the first one before the step."""
    instance = given_instance(http, "gate", input={})
    act(http, f"{instance}/steps/said/resolve", output="first")
    forked = act(http, f"{instance}/fork", step="again", id="forked")
    assert (forked.status_code, forked.json()) == (202, {"id": "forked", "changed": True})
    other = f"{API}/instances/forked"
    act(http, f"{other}/steps/again/resolve", output="second")
    assert ended(http, other)["output"] == ["first", "second"]
    assert refusal(act(http, f"{instance}/fork", step="nowhere")) == (409, "not_forkable")
    assert refusal(act(http, f"{API}/instances/nobody/fork", step="said")) == (404, "not_found")


def test_acts_are_audited(http: TestClient) -> None:
    """Who, what and why."""
    instance = given_instance(http, "gate", input={})
    act(http, f"{instance}/terminate")
    ended(http, instance)
    headers = {"perdure-actor": "ann"}
    assert http.post(f"{instance}/rewind", json={"reason": "oops"}, headers=headers).status_code == 202
    target = instance.rpartition("/")[2]
    entry = http.get(f"{API}/audit", params={"target": target}).json()["items"][0]
    assert (entry["actor"], entry["action"]) == ("ann", "instance.rewind")
    assert entry["details"]["reason"] == "oops"
