"""Schedules over HTTP, with a worker that keeps them."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from tests.engine.facts import eventually
from tests.server.hub import API, ended, given_server, refusal

YEARLY = """\
dsl: perdure/1
name: yearly
version: 1.0.0
schedule:
  - { cron: "0 0 1 1 *", timezone: UTC, input: { at: "${ string(schedule.time) }" } }
do:
  - return: ${ input.at }
"""
PATH = f"{API}/schedules/yearly"


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server whose worker has seen the schedule."""
    with given_server(YEARLY) as client:
        eventually(lambda: client.get(f"{API}/schedules").json()["items"])
        yield client


def test_a_schedule_is_listed_and_shown(http: TestClient) -> None:
    """Soon after its workflow was deployed."""
    (found,) = http.get(f"{API}/schedules").json()["items"]
    assert (found["id"], found["cron"], found["paused"]) == ("yearly", "0 0 1 1 *", False)
    assert found["next"].endswith("-01-01T00:00:00.000000Z")
    assert http.get(PATH).json()["recent"] == []
    assert refusal(http.get(f"{API}/schedules/other")) == (404, "not_found")


def test_it_is_paused_and_resumed(http: TestClient) -> None:
    """Both say whether anything has changed."""
    answers = [http.post(f"{PATH}/{act}").json() for act in ("pause", "pause", "resume", "resume")]
    assert [each["changed"] for each in answers] == [True, False, True, False]
    assert http.get(PATH).json()["next"] is not None


def test_the_past_is_filled_in(http: TestClient) -> None:
    """Each time of the range starts an instance."""
    answer = http.post(
        f"{PATH}/backfill", json={"begin": "2019-06-01T00:00:00Z", "end": "2021-06-01T00:00:00Z"}
    )
    assert answer.status_code == 202
    times = [f"{year}-01-01T00:00:00Z" for year in (2020, 2021)]
    paths = [f"{API}/instances/yearly@{each}" for each in times]
    eventually(lambda: all(http.get(each).status_code == 200 for each in paths))
    assert [ended(http, each)["output"] for each in paths] == times
    bad = http.post(f"{PATH}/backfill", json={"begin": "x", "end": "y"})
    assert refusal(bad)[0] == 422
    assert refusal(http.post(f"{PATH}/backfill", json={}))[0] == 422


def test_an_occurrence_is_started_once_a_key(http: TestClient) -> None:
    """A repeated request gets the instance of the first."""
    first, second = (
        http.post(f"{PATH}/trigger", headers={"Idempotency-Key": "again"}).json() for _ in range(2)
    )
    assert first["id"] == second["id"]
    assert first["id"].startswith("yearly@")
