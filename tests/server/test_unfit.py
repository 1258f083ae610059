"""Texts and numbers that a database does not hold: whoever sends them is told so."""

from __future__ import annotations

import base64
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.durabletask.parameters import PUBLIC
from tests.postgres import Server
from tests.server.hub import API, ECHO, GATE, YAML, refusal


@contextmanager
def _served(url: str) -> Generator[TestClient]:
    store = open_store(url)
    with Worker(store, Registry()) as worker:
        app = create_app(Client(store, worker), worker)
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            for source in (ECHO, GATE):
                assert http.post(f"{API}/definitions", content=source, headers=YAML).status_code == 201
            yield http
    store.close()


def _cursor(*place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def test_a_number_of_more_than_64_bits_is_looked_for_nowhere(tmp_path: Path) -> None:
    """In a cursor that somebody made up."""
    with _served(f"sqlite:///{tmp_path / 'hub.db'}") as http:
        one, two = _cursor(2**63), _cursor(2**63, "x")
        lists = [("instances", two), ("instances?sort=ended", two), ("audit", one), ("dead-letters", one)]
        for path, cursor in lists:
            sign = "&" if "?" in path else "?"
            found = http.get(f"{API}/{path}{sign}cursor={cursor}")
            assert refusal(found) == (422, "unfit"), path
        headers = {"x-ms-continuation-token": two}
        assert http.get(f"{PUBLIC}/instances", headers=headers).status_code == 400


@pytest.mark.slow  # a server is started
def test_the_character_zero_is_looked_for_nowhere(postgres: Server) -> None:
    """PostgreSQL has no texts with it: not in a path, a filter, or a field."""
    with _served(postgres.new_hub()) as http:
        paths = (
            "instances/a%00",
            "definitions/%00",
            "schedules/%00",
            "instances?name=%00",
            "instances?q=id:%00",
        )
        for path in paths:
            assert refusal(http.get(f"{API}/{path}")) == (422, "unfit"), path
        assert refusal(http.post(f"{API}/events/%00", json={})) == (422, "unfit")
        for act in ("suspend", "cancel", "terminate", "rewind", "events/Opened"):
            assert refusal(http.post(f"{API}/instances/a%00/{act}")) == (422, "unfit"), act
        assert refusal(http.post(f"{API}/instances", json={"workflow": "\0"})) == (422, "unfit")
        tagged = {"workflow": "echo", "tags": {"a": "\0"}}
        assert refusal(http.post(f"{API}/instances", json=tagged)) == (422, "tags")
        assert http.get(f"{PUBLIC}/instances/a%00").status_code == 400


def test_a_reason_has_no_character_zero(http: TestClient) -> None:
    """It would be kept as a message, and PostgreSQL would refuse the turn that hears it, now and ever."""
    assert http.post(f"{API}/instances", json={"workflow": "gate", "id": "g", "input": {}}).status_code == 201
    for verb in ("suspend", "resume", "cancel", "terminate"):
        told = http.post(f"{API}/instances/g/{verb}", json={"reason": "a\0b"})
        assert refusal(told) == (422, "invalid"), verb
    assert http.get(f"{API}/instances/g").json()["status"] == "Running"


CHILD = """\
dsl: perdure/1
name: child
version: 1.0.0
tags: { who: "${ input }" }
do:
- return: 1
"""
PARENT = """\
dsl: perdure/1
name: parent
version: 1.0.0
do:
- c: { call_workflow: child, with: "${ input }" }
"""
TASK = """\
dsl: perdure/1
name: task
version: 1.0.0
concurrency: { key: "${ input }", limit: 3 }
do:
- a: { call: Nobody, with: 1, fairness_key: "${ input }", concurrency: { key: "${ input }", limit: 1 } }
"""


@pytest.mark.slow  # a server is started
@pytest.mark.parametrize(
    "text", ["a\0b", "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))], ids=["zero", "long"]
)
def test_what_a_workflow_computes_stops_nobody_else(postgres: Server, text: str) -> None:
    """A key that no index of PostgreSQL holds is kept as its hash, and such a tag fails the start."""
    with _served(postgres.new_hub()) as http:
        for source in (CHILD, PARENT, TASK):
            assert http.post(f"{API}/definitions", content=source, headers=YAML).status_code == 201
        for name in ("task", "parent"):
            body = {"workflow": name, "id": name, "input": text}
            assert http.post(f"{API}/instances", json=body).status_code == 201
        assert http.get(f"{API}/instances/parent?wait=20s").json()["status"] == "Failed"
        http.post(f"{API}/instances", json={"workflow": "echo", "id": "e", "input": 1})
        assert http.get(f"{API}/instances/e?wait=20s").json()["output"] == 1
        assert http.get(f"{API}/instances/task").json()["status"] == "Running"
