"""Server-sent events: notices of changes."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from perdure.engine.activities import Registry
from perdure.engine.client import Client
from perdure.engine.store import open_store
from perdure.engine.worker import Worker
from perdure.server.app import create_app
from perdure.server.settings import Settings
from tests.engine.facts import eventually
from tests.server.hub import API, GATE, YAML, given_instance, refusal
from tests.server.served import NOTES, given_process


@contextmanager
def given_streams(**settings: Any) -> Generator[TestClient]:
    """A server where an instance ``g`` waits."""
    store = open_store("memory://")
    with Worker(store, Registry()) as worker:
        app = create_app(Client(store, worker), worker, Settings(threads=8, **settings))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as http:
            assert http.post(f"{API}/definitions", content=GATE, headers=YAML).status_code == 201
            given_instance(http, "gate", id="g", input={"limit": 1})
            eventually(lambda: http.get(f"{API}/instances/g/state").json()["fibers"])
            yield http


def notices(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The data of each event; its id is the version."""
    seen = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            seen = value
        elif name == "data":
            notice = json.loads(value)
            assert notice["version"] == seen
            yield notice


def test_a_stream_tells_of_each_change_and_ends_with_its_time() -> None:
    """The first notice comes at once, the next ones when there is something new."""
    with given_streams(stream_seconds=1, heartbeat_seconds=0.01) as http:
        with http.stream("GET", f"{API}/instances/g/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = list(answer.iter_lines())
        assert lines[0].startswith("retry:")
        assert ": still here" in lines
        found = list(notices(iter(lines)))
        assert found[-1]["status"] == "Running"
        assert len({each["version"] for each in found}) == len(found)
    assert http.app.state.api.streams.open == 0  # type: ignore[attr-defined]


def test_who_comes_back_hears_of_what_is_new_alone() -> None:
    """Nothing for the version that was seen, at once for another one."""
    with given_streams(stream_seconds=0.05) as http:
        path = f"{API}/instances/g/stream"
        (now,) = list(notices(http.get(path).iter_lines()))[-1:]
        back = {"last-event-id": now["version"]}
        assert list(notices(http.get(path, headers=back).iter_lines())) == []
        http.post(f"{API}/instances/g/terminate")
        http.get(f"{API}/instances/g", params={"wait": "20s"})
        (ended,) = notices(http.get(path, headers=back).iter_lines())
        assert ended["status"] == "Terminated"


def test_the_stream_of_what_has_ended_ends() -> None:
    """It stayed open for minutes, and browsers came back for ever: 204 tells them that it was the last."""
    with given_streams(stream_seconds=300) as http:
        path = f"{API}/instances/g/stream"
        http.post(f"{API}/instances/g/terminate")
        http.get(f"{API}/instances/g", params={"wait": "20s"})
        (ended,) = notices(http.get(path).iter_lines())
        assert ended["status"] == "Terminated"
        again = http.get(path, headers={"last-event-id": ended["version"]})
        assert (again.status_code, again.content) == (204, b"")


def test_what_is_restarted_after_its_stream_is_seen_by_who_asks_again() -> None:
    """Who was told that it was the last notice hears nothing by itself; the stream of a list goes on."""
    with given_streams(stream_seconds=0.05) as http:
        one, several = f"{API}/instances/g/stream", f"{API}/stream?q=id:g"
        http.post(f"{API}/instances/g/terminate")
        http.get(f"{API}/instances/g", params={"wait": "20s"})
        (ended,) = notices(http.get(one).iter_lines())
        (listed,) = notices(http.get(several).iter_lines())
        seen = {"last-event-id": ended["version"]}
        assert http.get(one, headers=seen).status_code == 204
        assert http.post(f"{API}/instances/g/restart", json={}).status_code == 202
        eventually(lambda: http.get(f"{API}/instances/g").json()["status"] == "Running")
        assert [each["status"] for each in notices(http.get(one, headers=seen).iter_lines())][:1] == [
            "Running"
        ]
        more = notices(http.get(several, headers={"last-event-id": listed["version"]}).iter_lines())
        assert [each["version"] != listed["version"] for each in more][:1] == [True]


def test_a_list_has_a_stream_of_its_own() -> None:
    """Its version is that of the rows that the query finds."""
    with given_streams(stream_seconds=0.01) as http:

        def version(query: str) -> str:
            (notice,) = list(notices(http.get(f"{API}/stream", params={"q": query}).iter_lines()))[-1:]
            return str(notice["version"])

        empty, before = version("id:other"), version("id:g")
        given_instance(http, "gate", id="other", input={"limit": 1})
        assert version("id:other") != empty
        assert version("id:g") == before
        assert refusal(http.get(f"{API}/stream", params={"q": "colour:red"})) == (422, "invalid_query")


def test_streams_are_bounded() -> None:
    """One too many is told to come back later."""
    with given_streams(streams=0) as http:
        answer = http.get(f"{API}/instances/g/stream")
        assert refusal(answer) == (429, "overloaded")
        assert answer.headers["retry-after"]
        assert refusal(http.get(f"{API}/instances/nobody/stream")) == (404, "not_found")


def test_open_streams_do_not_hold_a_shutdown(tmp_path: Any) -> None:
    """They end, whole, as soon as the server is told to stop."""
    with given_process(tmp_path) as (process, url):
        http = httpx2.Client(base_url=f"{url}{API}", timeout=60)
        assert http.post("/definitions", content=NOTES, headers=YAML).status_code == 201
        http.post("/instances", json={"workflow": "notes", "id": "n"})
        begun, over = threading.Barrier(3, timeout=60), list[bool]()

        def listen(path: str) -> None:
            with (
                httpx2.Client(base_url=f"{url}{API}", timeout=60) as mine,
                mine.stream("GET", path) as answer,
            ):
                lines = answer.iter_lines()
                next(lines)
                begun.wait()
                for _ in lines:
                    pass
                over.append(True)

        threads = [
            threading.Thread(target=listen, args=[path]) for path in ("/stream", "/instances/n/stream")
        ]
        for thread in threads:
            thread.start()
        begun.wait()
        process.terminate()
        assert process.wait(timeout=60) == 0
        for thread in threads:
            thread.join(timeout=60)
        assert over == [True, True]
        http.close()


@pytest.mark.parametrize("path", ["/stream", "/instances/g/stream"])
def test_an_unknown_parameter_is_refused_before_a_stream_begins(path: str) -> None:
    """As everywhere."""
    with given_streams() as http:
        assert refusal(http.get(f"{API}{path}", params={"query": "x"})) == (422, "unknown_parameter")
