"""One act on all instances that a query finds."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from tests.server.hub import API, ECHO, ended, given_instance, given_server, refusal

INSTANCES = f"{API}/instances"
WAITS = """\
dsl: perdure/1
name: waits
version: 1.0.0
events: { Go: {} }
do:
- go: { wait_for_event: Go, timeout: never }
"""


@pytest.fixture
def http() -> Generator[TestClient]:
    """A client of a server where three instances wait and one has ended."""
    with given_server(ECHO, WAITS) as client:
        for number in range(3):
            given_instance(client, "waits", id=f"w{number}", tags={"team": "a"})
        ended(client, given_instance(client, "echo", id="e", tags={"team": "a"}))
        yield client


def test_a_dry_run_counts_and_changes_nothing(http: TestClient) -> None:
    """Newest first; the count is what confirms the act."""
    answer = http.post(f"{INSTANCES}:terminate", params={"q": "workflow:waits", "dry_run": "true"})
    assert (answer.status_code, answer.json()) == (
        200,
        {"verb": "terminate", "count": 3, "ids": ["w2", "w1", "w0"]},
    )
    assert http.get(f"{INSTANCES}/w1").json()["ended_at"] is None


def test_an_act_on_many_is_confirmed_by_their_count(http: TestClient) -> None:
    """409 when there are more or fewer by now, and nothing is done to any of them."""
    params = {"q": "workflow:waits", "confirm": "2"}
    assert refusal(http.post(f"{INSTANCES}:suspend", params=params)) == (409, "count_changed")
    assert refusal(http.post(f"{INSTANCES}:suspend", params={"q": "workflow:waits"})) == (
        422,
        "invalid_parameter",
    )
    assert http.get(f"{API}/audit").json()["items"][0]["action"] == "definition.deploy"
    done = http.post(
        f"{INSTANCES}:suspend", params={**params, "confirm": "3"}, json={"reason": "maintenance"}
    )
    assert (done.status_code, done.json()) == (
        202,
        {"verb": "suspend", "count": 3, "changed": 3, "problems": []},
    )
    audit = http.get(f"{API}/audit", params={"action": "instance.suspend"}).json()["items"]
    assert [(each["target"], each["details"]) for each in audit] == [
        (f"w{number}", {"reason": "maintenance"}) for number in range(3)
    ]


def test_what_is_wrong_with_one_does_not_stop_the_others(http: TestClient) -> None:
    """Each has its problem by its id."""
    done = http.post(f"{INSTANCES}:terminate", params={"q": "tag.team:a", "confirm": "4"}).json()
    assert (done["count"], done["changed"]) == (4, 3)
    assert [(each["id"], each["problem"]["status"]) for each in done["problems"]] == [("e", 410)]
    for number in range(3):
        assert ended(http, f"{INSTANCES}/w{number}")["status"] == "Terminated"
    gone = http.post(f"{INSTANCES}:purge", params={"q": "tag.team:a", "confirm": "4"}).json()
    assert (gone["changed"], gone["problems"]) == (4, [])
    assert http.get(INSTANCES).json()["items"] == []


@pytest.mark.parametrize(
    ("verb", "params", "expected"),
    [
        ("suspend", {}, (422, "invalid_parameter")),
        ("suspend", {"q": " ", "confirm": "1"}, (422, "no_filter")),
        ("suspend", {"q": "colour:red", "confirm": "1"}, (422, "invalid_query")),
        ("suspend", {"q": "id:w1", "confirm": "-1"}, (422, "invalid_parameter")),
        ("delete", {"q": "id:w1", "confirm": "1"}, (404, "not_found")),
        ("%70urge", {"q": "id:e", "confirm": "1"}, (404, "not_found")),
    ],
)
def test_an_act_on_many_that_is_refused(
    http: TestClient, verb: str, params: dict[str, str], expected: tuple[int, str]
) -> None:
    """Before anything is done."""
    assert refusal(http.post(f"{INSTANCES}:{verb}", params=params)) == expected
    assert len(http.get(INSTANCES).json()["items"]) == 4


def test_an_operator_purges_nothing_under_another_spelling() -> None:
    """That is for admins, however the path is written."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        client = Client(store, worker)
        key = {"authorization": f"Bearer {client.create_key('op', 'operator')['secret']}"}
        with TestClient(create_app(client, worker), base_url="http://127.0.0.1") as http:
            params = {"q": "id:e", "confirm": "0"}
            assert refusal(http.post(f"{INSTANCES}:purge", params=params, headers=key)) == (403, "forbidden")
            again = http.post(f"{INSTANCES}:%70urge", params=params, headers=key)
            assert refusal(again) == (404, "not_found")


def test_a_query_purges_a_slice_of_what_has_ended(http: TestClient) -> None:
    """As the other filters do: those first that ended first, with a cursor, and never what runs."""
    for number in range(3):
        ended(http, given_instance(http, "echo", id=f"e{number}"))
    params = {"q": "id:e*,w*", "limit": "3"}
    counted = http.delete(INSTANCES, params={**params, "dry_run": "true"}).json()
    assert (counted["instances"], counted["rows"]) == (3, {})
    first = http.delete(INSTANCES, params=params).json()
    assert (first["instances"], first["rows"]["instances"], first["left"]) == (3, 3, [])
    last = http.delete(INSTANCES, params={**params, "cursor": first["next"]}).json()
    assert (last["instances"], last["next"]) == (1, None)
    assert [each["id"] for each in http.get(INSTANCES).json()["items"]] == ["w2", "w1", "w0"]
