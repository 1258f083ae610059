"""``perdure worker``: a process of its own that works until it is told to stop."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perdure.engine.client import Client
from perdure.engine.store import open_store
from tests.engine.driver import compiled
from tests.engine.facts import WAIT, eventually
from tests.sdk.cli.program import perdure, spawn

HELLO = compiled("do: [{ h: { call: Hello, with: '${ input }' } }, { return: '${ h }' }]").program
MODULE = """\
import perdure


@perdure.activity("Hello")
def hello(name: str) -> str:
    return f"hello {name}"
"""


@pytest.fixture
def client(here: Path) -> Iterator[Client]:
    """A client beside the worker; its activities are there."""
    (here / "greetings.py").write_text(MODULE)
    (here / ".perdure").mkdir(exist_ok=True)
    store = open_store(f"sqlite:///{here}/.perdure/perdure.db")
    yield Client(store)
    store.close()


@pytest.fixture
def started(here: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that end with the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def working(
    here: Path, started: list[subprocess.Popen[str]], *words: str
) -> tuple[subprocess.Popen[str], Any]:
    """A worker that has joined, and what it said."""
    process = spawn("worker", *words, "--json", cwd=here)
    started.append(process)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())["data"]


@pytest.mark.slow
def test_a_worker_works_until_it_is_told_to_stop(
    here: Path, client: Client, started: list[subprocess.Popen[str]]
) -> None:
    """It has the activities of its modules, and ends well."""
    process, said = working(here, started, "greetings")
    assert (said["activities"], said["roles"]) == (["Hello"], ["activities", "turns"])
    assert [each["id"] for each in client.workers()] == [said["id"]]
    client.run(HELLO, "you", id="i")
    assert client.wait("i", WAIT)["output"] == "hello you"
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT) == 0
    assert client.workers() == []


@pytest.mark.slow
def test_workers_share_the_roles(here: Path, client: Client, started: list[subprocess.Popen[str]]) -> None:
    """One takes turns and has no activities, the other runs these and has no slots."""
    _, hands = working(here, started, "greetings", "--role", "activities")
    client.run(HELLO, "you", id="i")
    assert {each["id"]: each["slots"] for each in client.workers()} == {hands["id"]: 0}
    _, head = working(here, started, "--role", "turns")
    assert client.wait("i", WAIT)["output"] == "hello you"
    shown = {each["id"]: (each["turns"], each["slots"], each["activities"]) for each in client.workers()}
    assert shown == {hands["id"]: (False, 0, ["Hello"]), head["id"]: (True, 256, [])}


@pytest.mark.slow
def test_a_worker_that_is_asked_to_leaves(
    here: Path, client: Client, started: list[subprocess.Popen[str]]
) -> None:
    """It ends by itself, and the audit says who asked."""
    process, said = working(here, started, "greetings")
    assert perdure("workers", "drain", said["id"], "--actor", "ann").code == 0
    assert process.wait(WAIT) == 0
    eventually(lambda: client.workers() == [])
    (entry,) = client.audit(action="worker.drain")["items"]
    assert (entry["actor"], entry["target"]) == ("ann", said["id"])
    assert perdure("workers", "drain", said["id"]).code == 4


def test_a_role_is_one_of_two(here: Path) -> None:
    """Anything else is wrong usage."""
    answer = perdure("worker", "--role", "turns,api")
    assert (answer.code, "'api'" in answer.err) == (2, True)


def test_a_queue_that_no_step_can_name_is_refused(here: Path) -> None:
    """It was served for ever, and nothing came."""
    for command in ("worker", "serve"):
        answer = perdure(command, "--queue", "slow", "--queue", "a b", "--json")
        assert (answer.code, answer.document["error"]["code"]) == (2, "invalid_queue")
        assert "letters, digits" in answer.document["error"]["hint"]
    assert "turns (of workflows), activities, or both" in " ".join(perdure("worker", "--help").out.split())


def test_a_provider_of_tokens_that_cannot_be_one_is_refused(here: Path) -> None:
    """Before anything is served: no audience, no https, no such role."""
    issuer = ("serve", "--oidc-issuer", "https://issuer.example")
    assert "an audience is needed" in perdure(*issuer).err
    audience = (*issuer, "--oidc-audience", "perdure")
    assert "there is no role 'root'" in perdure(*audience, "--oidc-role", "ops=root").err
    assert "gives no value a role" in perdure(*audience, "--oidc-role", "admin").err
    assert "https" in perdure("serve", "--oidc-issuer", "http://issuer.example", "--oidc-audience", "p").err
    alone = perdure("serve", "--oidc-audience", "perdure")
    assert (alone.code, "need --oidc-issuer" in alone.err) == (2, True)
