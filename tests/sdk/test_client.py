from __future__ import annotations

import re
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from perdure.client import Client, Unreachable
from perdure.compiler.build import build
from perdure.dsl import Source
from perdure.engine import client as engine
from perdure.engine.errors import Conflict, Ended, NotFound, UserError
from perdure.engine.ids import new_id
from perdure.engine.store import open_store
from perdure.server.deployments import InvalidDocument
from tests.engine.facts import eventually
from tests.server.hub import ECHO, GATE
from tests.server.served import given_process

BROKEN = ECHO.replace("${ input }", "${ inptu }")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, Path]]:
    """The URL and the folder of a server where ``echo`` and ``gate`` are deployed."""
    folder = tmp_path_factory.mktemp("hub")
    with given_process(folder) as (_, url):
        with Client(url) as client:
            for source in (ECHO, GATE):
                client.deploy_source(source, "test.yaml")
        yield url, folder


@pytest.fixture
def client(hub: tuple[str, Path]) -> Generator[Client]:
    """A client of that server."""
    with Client(hub[0]) as client:
        yield client


@contextmanager
def given_listener(*answers: bytes, forward_to: str = "") -> Generator[str]:
    """The URL of something that accepts a connection for each answer, reads a request, answers and closes.

    With ``forward_to`` the server there gets the request first; an empty answer means its answer.
    """

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                request = read_request(connection)
                said = forwarded(forward_to, request) if forward_to else b""
                connection.sendall(said if answer == b"" else answer.removeprefix(b"nothing"))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def read_request(connection: socket.socket) -> bytes:
    """The whole of a request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    length = re.search(rb"content-length: (\d+)", data.lower())
    body = data.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(data) < body:
        data += connection.recv(65_536)
    return data


def forwarded(url: str, request: bytes) -> bytes:
    """What the server at this URL answers to a request."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(request.replace(b"keep-alive", b"close"))
        return connection.makefile("rb").read()


def test_a_workflow_runs(client: Client) -> None:
    """A start and a wait give the output of the workflow."""
    instance = client.start("echo", {"a": [1, "ü"]})
    assert client.wait(instance["id"], 60)["output"] == {"a": [1, "ü"]}


def test_documents_are_those_of_the_engine(client: Client, hub: tuple[str, Path]) -> None:
    """Both clients give the same documents, page for page."""
    instance = client.start("gate", {}, tags={"test": "same"})["id"]
    client.raise_event(instance, "Opened", "a")
    eventually(lambda: len(client.history(instance)["items"]) >= 2)
    store = open_store(f"sqlite:///{hub[1] / 'hub.db'}")
    local = engine.Client(store)

    def documents(client: Any) -> list[Any]:
        return [
            client.definitions(),
            client.definitions("echo"),
            client.definitions("nothing"),
            client.definition("echo"),
            client.definition("echo", "1.0.0"),
            client.instance(instance),
            client.instances(tags={"test": "same"}, name="gate", statuses=["running"], limit=1),
            client.history(instance, limit=1),
            client.history(instance, cursor=client.history(instance, limit=1)["next"], generation=1),
            client.waiting(instance),
            [{**each, "lease_until": None} for each in client.workers()],
        ]

    assert documents(client) == documents(local)
    store.close()


@pytest.mark.parametrize("id", ["a b", "100%", "ü", "a&b=c;d", "..", "%2e", "\U0001f40d", "a@b:c"])
def test_ids_may_hold_anything_that_is_allowed(client: Client, id: str) -> None:
    """An id needs no escaping by the caller."""
    name = f"{id} {new_id()}"
    client.start("gate", {}, id=name)
    assert client.instance(name)["id"] == name


def test_changes_say_whether_they_changed_something(client: Client) -> None:
    """Suspend, resume and terminate tell whether there was something to change."""
    instance = client.start("gate", {})["id"]
    assert client.resume(instance) == {"changed": False}
    assert client.suspend(instance, "a look") == {"changed": True}
    assert client.terminate(instance, "enough") == {"changed": True}
    assert client.wait(instance, 60)["reason"] == "enough"


def test_a_canceled_instance_ends_with_an_error(client: Client) -> None:
    """Cancel is on its way when it is answered; a wait gives the end."""
    instance = client.start("gate", {})["id"]
    assert client.cancel(instance, "enough") == {"changed": True}
    document = client.wait(instance, 60)
    assert (document["status"], document["error"]["message"]) == ("Canceled", "canceled: enough")


def test_a_wait_may_pass(client: Client) -> None:
    """A wait gives the instance as it is when its time has passed."""
    assert client.wait(client.start("gate", {})["id"], 0.001)["ended_at"] is None


@pytest.mark.parametrize(
    ("kind", "code", "call"),
    [
        (NotFound, "not_found", lambda client: client.instance("nothing")),
        (NotFound, "not_found", lambda client: client.wait("nothing", 1)),
        (NotFound, "not_found", lambda client: client.definition("nothing")),
        (NotFound, "not_found", lambda client: client.definition("echo", "9.0.0")),
        (UserError, "schema", lambda client: client.start("gate", {"limit": "many"})),
        (UserError, "invalid_id", lambda client: client.start("echo", id="a/b")),
        (UserError, "payload", lambda client: client.start("echo", _deep(66))),
        (UserError, "invalid_cursor", lambda client: client.instances(cursor="nonsense")),
        (UserError, "invalid_parameter", lambda client: client.instances(limit=0)),
        (UserError, "too_large", lambda client: client.deploy_source("#" * (3 << 20), "large.yaml")),
        (Conflict, "definition_conflict", lambda client: client.deploy_source(_other(), "test.yaml")),
    ],
)
def test_errors_are_those_of_the_engine(client: Client, kind: type[UserError], code: str, call: Any) -> None:
    """What the server refuses is raised as the engine would, with its code."""
    with pytest.raises(UserError) as caught:
        call(client)
    assert (type(caught.value), caught.value.code) == (kind, code)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels - 1):
        value = [value]
    return value


def _other() -> str:
    return ECHO.replace("${ input }", "${ [input] }")


def test_hints_come_along(client: Client) -> None:
    """The hint of an error reaches the caller."""
    with pytest.raises(Conflict) as caught:
        client.deploy_source(_other(), "test.yaml")
    assert caught.value.hint is not None
    assert "new version" in caught.value.hint


def test_a_name_of_which_no_version_is_active(client: Client) -> None:
    """The error says how to choose one, as that of the engine does."""
    text = "dsl: perdure/1\nname: resting\nversion: 1.0.0\ndo:\n  - return: 1\n"
    client.deploy_source(text, "resting.yaml")
    client.retire("resting", "1.0.0")
    with pytest.raises(NotFound, match="no version of 'resting' is active") as caught:
        client.definition("resting")
    assert "perdure definitions activate" in str(caught.value.hint)


def test_an_ended_instance_hears_nothing(client: Client) -> None:
    """An event for an instance that has ended raises ``Ended``."""
    instance = client.wait(client.start("echo")["id"], 60)["id"]
    with pytest.raises(Ended):
        client.raise_event(instance, "Opened")


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"], ids=["nan", "object", "surrogate"])
def test_what_is_no_json_is_not_sent(client: Client, value: Any) -> None:
    """A value that JSON does not have raises ``UserError``."""
    with pytest.raises(UserError):
        client.start("echo", value)


def test_diagnostics_come_back_whole(client: Client) -> None:
    """A refused file raises the diagnostics that a local build gives, under the caller's name of the file."""
    with pytest.raises(InvalidDocument) as caught:
        client.deploy_source(BROKEN, "flows/echo.yaml")
    assert caught.value.diagnostics == build(Source("flows/echo.yaml", BROKEN)).diagnostics


def test_a_dry_run_deploys_nothing(client: Client) -> None:
    """A dry run says what would be created."""
    rows = client.deploy_source(ECHO.replace("echo", "dry"), "dry.yaml", dry_run=True)
    assert (rows[0]["outcome"], client.definitions("dry")) == ("created", [])


def test_a_lost_answer_starts_one_instance(hub: tuple[str, Path]) -> None:
    """When the connection breaks after the server has acted, the request is repeated, and acts once."""
    tag = new_id()
    with given_listener(b"nothing", b"", forward_to=hub[0]) as url, Client(url) as broken:
        started = broken.start("echo", tags={"lost": tag})["id"]
    with Client(hub[0]) as client:
        assert [each["id"] for each in client.instances(tags={"lost": tag})["items"]] == [started]


def test_a_server_that_hangs_up_is_unreachable() -> None:
    """When the connection breaks again and again, ``Unreachable`` is raised."""
    with given_listener(b"nothing", b"nothing") as url, Client(url) as client, pytest.raises(Unreachable):
        client.workers()


def test_no_server_is_unreachable() -> None:
    """Where nobody listens, ``Unreachable`` names the URL and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Client(url) as client, pytest.raises(Unreachable, match=url) as caught:
        client.workers()
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 500 Oh\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["200", "500", "302"],
)
def test_another_server_is_not_perdure(answer: bytes) -> None:
    """When something else listens there, ``Unreachable`` says so."""
    with (
        given_listener(answer) as url,
        Client(url) as client,
        pytest.raises(Unreachable, match="not perdure"),
    ):
        client.workers()


@pytest.mark.parametrize("url", ["", "localhost:7410", "ftp://localhost", "http://"])
def test_a_url_is_one_of_http(url: str) -> None:
    """What is no URL of a server is refused at once."""
    with pytest.raises(UserError, match="no URL"):
        Client(url)


@pytest.mark.parametrize("key", ["pdk_ключ", "pdk_1\n", "pdk_\xe9"])
def test_what_cannot_be_a_key_is_refused_at_once(key: str) -> None:
    """No header can have it: it was cut out of something else, or has its end of a line."""
    with pytest.raises(UserError, match="key"):
        Client("http://127.0.0.1:9", key=key)


def test_what_is_done_is_audited_under_the_actors_name(hub: tuple[str, Path]) -> None:
    """Also one that is not ASCII; pages are asked for as everywhere."""
    with Client(hub[0], actor="Jürgen") as client:
        name = client.start("gate", {})["id"]
        client.suspend(name, "lunch")
        client.terminate(name)
        newest = client.audit(target=name, limit=1)
        rest = client.audit(target=name, actor="Jürgen", cursor=newest["next"])
    actions = [each["action"] for each in newest["items"] + rest["items"]]
    assert actions == ["instance.terminate", "instance.suspend"]


def test_dead_letters_are_settled_over_http(client: Client) -> None:
    """There are none here; whoever names one is told."""
    assert client.dead_letters(instance="nobody")["items"] == []
    for ask in (client.dead_letter, client.retry_dead_letter, client.discard_dead_letter):
        with pytest.raises(NotFound, match="dead letter 7"):
            ask(7)


def test_many_are_counted_and_acted_on(client: Client) -> None:
    """The documents of the server; a count that no longer holds is a conflict."""
    instance = client.start("gate", {"limit": 1}, tags={"batch": "one"})["id"]
    query = "tag.batch:one"
    assert client.count("terminate", query) == {"verb": "terminate", "count": 1, "ids": [instance]}
    with pytest.raises(Conflict) as refused:
        client.act_on("terminate", query, 2)
    assert refused.value.code == "count_changed"
    assert client.act_on("terminate", query, 1, reason="over") == {
        "verb": "terminate",
        "count": 1,
        "changed": 1,
        "problems": [],
    }
    assert client.wait(instance)["reason"] == "over"
    assert client.state(instance)["fibers"] is not None
    assert [each["type"] for each in client.history(instance, types=["ExecutionTerminated"])["items"]] == [
        "ExecutionTerminated"
    ]
    assert client.history(instance, step="nothing", failed=True)["items"] == []
    assert client.purge_many(query=query)["instances"] == 1
    assert client.purge_many(query=query)["instances"] == 0
