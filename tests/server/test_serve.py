from __future__ import annotations

import signal
import socket
from pathlib import Path
from subprocess import Popen

import anyio
import httpx2
import pytest
from starlette.applications import Starlette

from perdure.client import Client
from perdure.engine.errors import UserError
from perdure.server.serve import _listen, serve
from tests.engine.facts import WAIT, eventually
from tests.server.hub import API, GATE
from tests.server.served import NOTES, given_process

WAITS = 200
SOON_SECONDS = 30
"""Far less than the waits of these tests ask for, far more than ending them takes."""


async def answers_of_waits(process: Popen[str], url: str) -> list[int]:
    """Start many instances, each with a long wait, and stop the process: what the waits are answered."""
    answers: list[int] = []
    limits = httpx2.Limits(max_connections=WAITS + 1)
    async with httpx2.AsyncClient(base_url=url + API, timeout=300, limits=limits, trust_env=False) as http:

        async def wait(number: int) -> None:
            body = {"workflow": "gate", "input": {}, "id": str(number)}
            answers.append((await http.post("/instances?wait=300s", json=body)).status_code)

        async with anyio.create_task_group() as tasks:
            for number in range(WAITS):
                tasks.start_soon(wait, number)
            # An instance that is listed was started, so its request waits, or is about to.
            with anyio.fail_after(WAIT):
                while len((await http.get(f"/instances?limit={WAITS}")).json()["items"]) < WAITS:
                    pass
            process.send_signal(signal.SIGTERM)
    return answers


def test_a_host_that_others_reach_is_refused() -> None:
    """Without keys the server listens on this machine alone, and says what to do instead."""
    with pytest.raises(UserError, match="would need no key") as caught:
        serve(Starlette(), "0.0.0.0", 0)
    assert caught.value.hint is not None
    assert "perdure keys create" in caught.value.hint


def test_a_port_in_use_is_told() -> None:
    """A port that another server has is an error for people."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(
            UserError, match=r"cannot listen on 127\.0\.0\.1 port [0-9]+: Address already in use\.$"
        ) as caught,
    ):
        serve(Starlette(), "127.0.0.1", other.getsockname()[1])
    assert caught.value.hint == "another server may be running there; choose another port"


def test_an_address_of_another_machine_is_told() -> None:
    """Another port would not help."""
    with pytest.raises(UserError, match=r"cannot listen on 192\.0\.2\.1") as caught:
        serve(Starlette(), "192.0.2.1", 0, reachable=True)
    assert caught.value.hint == "choose an address of this machine, and a port that you may use"


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none_is_told(port: int) -> None:
    """A number that is no port is an error for people."""
    with pytest.raises(UserError, match="is no port"):
        serve(Starlette(), "127.0.0.1", port)


def test_answers_are_not_held_back() -> None:
    """Connections send small pieces at once (a white-box test: the delay would be 40 ms an answer)."""
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_waits_do_not_hold_up_a_shutdown(tmp_path: Path) -> None:
    """On SIGTERM every waiting request is answered, and the process ends well, long before the waits pass."""
    with given_process(tmp_path) as (process, url):
        with Client(url) as client:
            client.deploy_source(GATE, "gate.yaml")
        answers = anyio.run(answers_of_waits, process, url)
        assert (answers, process.wait(SOON_SECONDS)) == ([202] * WAITS, 0)


def test_an_interrupt_ends_it_well(tmp_path: Path) -> None:
    """SIGINT lets the caller of ``serve`` go on, and stop its worker."""
    with given_process(tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON_SECONDS) == 0


def test_a_killed_server_goes_on(tmp_path: Path) -> None:
    """After SIGKILL another process takes up every instance, and runs no finished step again."""
    with given_process(tmp_path) as (process, url), Client(url) as client:
        client.deploy_source(NOTES, "notes.yaml")
        instance = client.start("notes")["id"]
        eventually(lambda: [each["kind"] for each in client.waiting(instance)][:1] == ["event"])
        process.kill()
    with given_process(tmp_path) as (_, url), Client(url) as client:
        for _ in range(2):
            client.raise_event(instance, "Go", "now", request_key="go")
        assert client.wait(instance, 60)["output"] == "now"
    assert (tmp_path / "notes").read_text(encoding="utf-8") == "before\nafter\n"
