"""What operators ask over HTTP."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from starlette.testclient import TestClient

from perdure.engine.client import Client
from perdure.engine.store.memory import MemoryStore
from perdure.server.app import create_app
from tests.engine.letters import given_letters
from tests.engine.store.factory import LEASE, worker
from tests.server.hub import API, ECHO, YAML, refusal


@pytest.fixture
def store() -> MemoryStore:
    """A database on which nobody works."""
    return MemoryStore()


@pytest.fixture
def http(store: MemoryStore) -> Generator[TestClient]:
    """A client of a server with two instances that nobody runs."""
    app = create_app(Client(store), None)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
        assert http.post(f"{API}/definitions", content=ECHO, headers=YAML).status_code == 201
        for name in ("i", "j"):
            http.post(f"{API}/instances", json={"workflow": "echo", "id": name})
        yield http


def test_a_dead_letter_is_shown_and_delivered(http: TestClient, store: MemoryStore) -> None:
    """202 with the new message's id; afterwards it is gone."""
    (number,) = given_letters(store, "i")
    assert [each["number"] for each in http.get(f"{API}/dead-letters").json()["items"]] == [number]
    path = f"{API}/dead-letters/{number}"
    assert http.get(path).json()["event"]["input"] == "late"
    done = http.post(f"{path}/retry")
    assert (done.status_code, done.json()["number"]) == (202, number)
    assert refusal(http.post(f"{path}/retry")) == (404, "not_found")
    assert refusal(http.get(path)) == (404, "not_found")


def test_a_dead_letter_is_discarded(http: TestClient, store: MemoryStore) -> None:
    """The same key has the same answer."""
    (number,) = given_letters(store, "i")
    path = f"{API}/dead-letters/{number}/discard"
    answers = [http.post(path, headers={"idempotency-key": "k"}) for _ in range(2)]
    assert [(each.status_code, each.json()) for each in answers] == [(200, {"number": number})] * 2


def test_what_cannot_be_delivered_is_refused(http: TestClient, store: MemoryStore) -> None:
    """A task is a conflict, a letter without a receiver is not found."""
    (task,) = given_letters(store, "i", kind="TaskScheduled")
    (nobody,) = given_letters(store, "nobody")
    assert refusal(http.post(f"{API}/dead-letters/{task}/retry")) == (409, "conflict")
    assert refusal(http.post(f"{API}/dead-letters/{nobody}/retry")) == (404, "not_found")


@pytest.mark.parametrize("number", ["x", "-1", "99999999999999999999", "0"])
def test_a_dead_letter_has_a_number(http: TestClient, number: str) -> None:
    """There is none under anything else."""
    assert refusal(http.get(f"{API}/dead-letters/{number}")) == (404, "not_found")
    assert refusal(http.post(f"{API}/dead-letters/{number}/retry")) == (404, "not_found")


def test_dead_letters_come_in_pages(http: TestClient, store: MemoryStore) -> None:
    """Filtered by instance, if that is asked for."""
    first, _, third = given_letters(store, "i", "j", "i")
    query = {"instance": "i", "limit": "1"}
    page = http.get(f"{API}/dead-letters", params=query).json()
    rest = http.get(f"{API}/dead-letters", params={**query, "cursor": page["next"]}).json()
    assert [each["number"] for each in page["items"] + rest["items"]] == [third, first]


def test_the_audit_says_who_acted(http: TestClient) -> None:
    """The header names the actor; without one it is local."""
    http.post(
        f"{API}/instances/i/suspend", json={"reason": "lunch"}, headers={"Perdure-Actor": "J%C3%BCrgen"}
    )
    http.post(f"{API}/instances/j/terminate")
    found = http.get(f"{API}/audit", params={"limit": "2"}).json()["items"]
    assert [(each["actor"], each["action"], each["target"], each["details"]) for each in found] == [
        ("local", "instance.terminate", "j", {}),
        ("Jürgen", "instance.suspend", "i", {"reason": "lunch"}),
    ]


@pytest.mark.parametrize(
    ("query", "targets"),
    [({"target": "i"}, ["i"]), ({"actor": "ann"}, ["j"]), ({"action": "instance.resume"}, [])],
)
def test_the_audit_is_filtered(http: TestClient, query: dict[str, str], targets: list[str]) -> None:
    """By what was acted on, who acted, and the act."""
    http.post(f"{API}/instances/i/suspend")
    http.post(f"{API}/instances/j/suspend", headers={"Perdure-Actor": "ann"})
    found = http.get(f"{API}/audit", params=query).json()["items"]
    assert [each["target"] for each in found] == targets


def test_an_actor_is_named_in_print(http: TestClient) -> None:
    """A name that would spoil a listing is 422."""
    answer = http.post(f"{API}/instances/i/suspend", headers={"Perdure-Actor": "%0A"})
    assert refusal(answer) == (422, "invalid_actor")


def test_a_worker_is_asked_to_leave(http: TestClient, store: MemoryStore) -> None:
    """It is shown so until it has; for one that is not there it is 404."""
    store.join(worker("w1"), LEASE)
    assert http.post(f"{API}/workers/w1/drain").json() == {"id": "w1"}
    assert [each["draining"] for each in http.get(f"{API}/workers").json()["items"]] == [True]
    assert refusal(http.post(f"{API}/workers/w2/drain")) == (404, "not_found")
