"""What a connection may cost: heads, bodies and answers have bounds, and so has their number."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from perdure.server.connections import MAX_HEAD, SPARE_FILES, Connection, room_for

LONG = 3600.0
SOON = 0.01
HUGE = 64 << 20
"""Bytes of an answer: far more than there is room for on the way."""
HEAD = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"
Wires = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listening:
    """A server of these connections, in the loop of a test."""

    def __init__(
        self, app: Any, *, head_seconds: float = LONG, body_seconds: float = LONG, most: int = 10
    ) -> None:
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none")
        self.state = ServerState()
        self._writers: list[asyncio.StreamWriter] = []
        self._make = lambda: Connection(
            config=config,
            server_state=self.state,
            app_state={},
            head_seconds=head_seconds,
            body_seconds=body_seconds,
            most_connections=most,
        )

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(self._make, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()
        for each in list(self.state.connections):
            each.transport.abort()
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def connect(self, first: bytes = b"") -> Wires:
        """A client's connection. What it says ``first`` is there before the server begins to wait for it."""
        connection = socket.create_connection(self._server.sockets[0].getsockname())
        connection.sendall(first)
        reader, writer = await asyncio.open_connection(sock=connection)
        self._writers.append(writer)
        return reader, writer


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers ``pong``."""
    await Response("pong")(scope, receive, send)


def during(test: Callable[[], Awaitable[None]]) -> None:
    """Run it, for a minute at most: what hangs fails."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD, b"\r\n"], ids=["nothing", "word", "line", "blank"])
def test_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    """Whoever holds connections open by saying nothing, or a byte now and then, is cut off."""

    async def test() -> None:
        async with Listening(echo, head_seconds=SOON) as listening:
            reader, writer = await listening.connect()
            writer.write(sent)
            with suppress(ConnectionResetError):  # What was sent may lie there unread.
                assert await reader.read() == b""

    during(test)


def test_a_request_that_is_under_way_is_not_cut_off() -> None:
    """However long its answer takes; the head was there in time."""

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(5 * SOON)
        await echo(scope, receive, send)

    async def test() -> None:
        async with Listening(late, head_seconds=SOON) as listening:
            reader, _ = await listening.connect(HEAD + b"\r\n")
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            assert answer.endswith(b"pong")

    during(test)


def test_a_head_without_end_is_refused() -> None:
    """By its size, long before its time is over."""

    async def test() -> None:
        async with Listening(echo) as listening:
            reader, writer = await listening.connect()
            # Not a byte more than what is too much: what stayed unread would reset the connection.
            writer.write((HEAD + b"x-more: ").ljust(MAX_HEAD + 1, b"x"))
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 431 "), answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_large"

    during(test)


def test_a_large_body_is_no_head() -> None:
    """Neither one that is read, nor one that is left over by a route that does not want it."""

    async def test() -> None:
        async with Listening(echo) as listening:
            reader, writer = await listening.connect()
            body = b"x" * (4 * MAX_HEAD)
            for _ in range(3):
                writer.write(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                assert (await reader.readuntil(b"pong")).startswith(b"HTTP/1.1 200 ")

    during(test)


def test_connections_beyond_the_limit_are_told_to_come_again() -> None:
    """And those that are there go on."""

    async def test() -> None:
        async with Listening(echo, most=2) as listening:
            first, _, third = [await listening.connect() for _ in range(3)]
            answer = await third[0].read()
            assert answer.startswith(b"HTTP/1.1 503 "), answer
            assert b"retry-after: 1\r\n" in answer
            first[1].write(HEAD + b"\r\n")
            assert (await first[0].readuntil(b"pong")).startswith(b"HTTP/1.1 200 ")

    during(test)


def test_who_reads_nothing_is_cut_off() -> None:
    """An answer that nobody reads does not stay in memory for ever."""

    async def huge(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"x" * HUGE)(scope, receive, send)

    async def test() -> None:
        async with Listening(huge, head_seconds=SOON) as listening:
            reader, _ = await listening.connect(HEAD + b"\r\n")
            while not listening.state.total_requests or listening.state.connections:  # noqa: ASYNC110
                await asyncio.sleep(SOON)
            # What was on its way comes, and no more of it.
            assert await _rest(reader) < HUGE // 2

    during(test)


async def _rest(reader: asyncio.StreamReader) -> int:
    """How many bytes still come, before the connection ends."""
    count = 0
    with suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            count += len(data)
    return count


def test_bytes_that_no_path_has_are_refused() -> None:
    """With 400, and not with a fault of ours."""

    async def test() -> None:
        async with Listening(echo) as listening:
            reader, writer = await listening.connect()
            writer.write(b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")

    during(test)


def test_a_body_that_does_not_come_is_refused() -> None:
    """With 408, whatever the route is; the connection ends, and so does the request."""
    ended: list[str] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request":
            assert message["more_body"]
        ended.append(message["type"])
        await echo(scope, receive, send)

    async def test() -> None:
        async with Listening(reading, body_seconds=SOON) as listening:
            reader, writer = await listening.connect()
            for part in (b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\n", b"{"):
                writer.write(part)
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_slow"
            while listening.state.tasks:
                await asyncio.gather(*listening.state.tasks)
        assert ended == ["http.disconnect"]

    during(test)


def test_there_is_room_for_what_this_process_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are left for the database, whatever the limit of the shell is."""
    limits = {256: 256 - SPARE_FILES, 65_536: 1_000, 10: 1, resource.RLIM_INFINITY: 1_000}
    for files, connections in limits.items():
        monkeypatch.setattr(resource, "getrlimit", lambda _which, files=files: (files, files))
        assert room_for(1_000) == connections
