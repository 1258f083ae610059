from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tests.server.hub import API, ended, given_instance, refusal

INSTANCES = f"{API}/instances"


def given_ended(http: TestClient, count: int, **body: object) -> list[str]:
    """Paths of instances that have ended."""
    paths = [given_instance(http, "echo", **body) for _ in range(count)]
    for path in paths:
        ended(http, path)
    return paths


def test_an_ended_instance_is_deleted(http: TestClient) -> None:
    """The answer counts the rows of each table; after it there is nothing."""
    (path,) = given_ended(http, 1, tags={"a": "b"})
    answer = http.delete(path, params={"reason": "privacy"})
    assert answer.status_code == 200
    rows = {"history": 1, "instance_tags": 1, "instances": 1, "payloads": 2}
    assert answer.json() == {"instances": 1, "rows": rows, "left": [], "next": None}
    assert refusal(http.get(path)) == (404, "not_found")
    assert refusal(http.delete(path)) == (404, "not_found")


def test_a_running_instance_is_not_deleted(http: TestClient) -> None:
    """It is 409, and goes on."""
    path = given_instance(http, "gate", input={})
    assert refusal(http.delete(path)) == (409, "not_ended")
    assert http.get(path).status_code == 200


def test_a_filter_deletes_slice_by_slice(http: TestClient) -> None:
    """Each answer has the cursor of the next slice, until there is none."""
    given_ended(http, 3, tags={"team": "x"})
    given_ended(http, 1)
    query = {"tag": "team:x", "limit": "2"}
    first = http.delete(INSTANCES, params=query).json()
    second = http.delete(INSTANCES, params={**query, "cursor": first["next"]}).json()
    assert (first["instances"], second["instances"], second["next"]) == (2, 1, None)
    assert len(http.get(INSTANCES).json()["items"]) == 1


def test_a_dry_run_counts(http: TestClient) -> None:
    """How many match is said, and nothing is deleted."""
    given_ended(http, 2)
    query = {"status": "Completed", "name": "echo", "older_than": "0s", "dry_run": "true"}
    assert http.delete(INSTANCES, params=query).json()["instances"] == 2
    assert len(http.get(INSTANCES).json()["items"]) == 2


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "no_filter"),
        ({"status": "Running"}, "invalid"),
        ({"status": "Gone"}, "invalid"),
        ({"ended_before": "soon"}, "invalid_time"),
        ({"ended_from": "2030-01-01T00:00:00"}, "invalid_time"),
        ({"older_than": "7"}, "invalid_parameter"),
        ({"states": "x"}, "unknown_parameter"),
        ({"name": "x", "limit": "0"}, "invalid_parameter"),
        ({"name": "x", "cursor": "?"}, "invalid_cursor"),
    ],
)
def test_what_is_meant_must_be_clear(http: TestClient, query: dict[str, str], code: str) -> None:
    """Nothing is deleted by a filter that says nothing, or not what was meant."""
    assert refusal(http.delete(INSTANCES, params=query)) == (422, code)
