"""One-line factories for tests of the server: a hub in memory, with its worker, behind HTTP."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.settings import Settings

API = "/api/v1"
YAML = {"content-type": "application/yaml"}
JSON = {"content-type": "application/json"}

ECHO = """\
dsl: perdure/1
name: echo
version: 1.0.0
do:
- return: ${ input }
"""
"""Ends at once with what it was given."""

GATE = """\
dsl: perdure/1
name: gate
version: 1.0.0
input:
  schema: { type: object, properties: { limit: { type: integer } } }
events:
  Opened: { schema: { type: [string, "null"] } }
do:
- said: { wait_for_event: Opened, timeout: never }
- again: { wait_for_event: Opened, timeout: never }
- return: ["${ said }", "${ again }"]
"""
"""Ends with the payloads of two events."""


@contextmanager
def given_server(*sources: str, **activities: Callable[..., Any]) -> Generator[TestClient]:
    """A server with these definitions deployed and these activities offered, and a client of it."""
    registry = Registry()
    for name, function in activities.items():
        registry.add(name, function)
    store = open_store("memory://")
    with Worker(store, registry) as worker:
        app = create_app(Client(store, worker), worker, Settings(threads=8))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            for source in sources:
                assert http.post(f"{API}/definitions", content=source, headers=YAML).status_code == 201
            yield http


def given_instance(http: TestClient, workflow: str, **body: Any) -> str:
    """The path of a new instance."""
    answer = http.post(f"{API}/instances", json={"workflow": workflow, **body})
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def ended(http: TestClient, path: str) -> Any:
    """The document of an instance that ends soon."""
    document = http.get(path, params={"wait": "60s"}).json()
    assert document["ended_at"], document
    return document


def refusal(answer: Any) -> tuple[int, str]:
    """Status and code of a problem document, which must be a proper one."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:perdure:problem:{problem['code']}"
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    return answer.status_code, problem["code"]
