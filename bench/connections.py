"""Keep-alive connections that ask one after the other, as cheaply as Python can: not what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

HEAD_END = b"\r\n\r\n"


class Answered(NamedTuple):
    """How all requests went: seconds from first to last, and of each; statuses by how often."""

    seconds: float
    latencies: list[float]
    statuses: dict[int, int]
    last: bytes

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the requests was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    if body:
        lines.append("content-type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(url: str, connections: int, count: int, make: Callable[[int], bytes]) -> Answered:
    """Send requests ``make(0)`` to ``make(count - 1)`` over so many connections, each as soon as it may."""
    return asyncio.run(_ask(url, connections, iter([make(number) for number in range(count)])))


async def _ask(url: str, connections: int, requests: Iterator[bytes]) -> Answered:
    loop, place = asyncio.get_running_loop(), urlsplit(url)
    found = Answered(0.0, [], {}, b"")
    askers = []
    assert place.hostname is not None
    assert place.port is not None
    for _ in range(connections):
        _, asker = await loop.create_connection(lambda: _Asker(requests, found), place.hostname, place.port)
        askers.append(asker)
    began = time.perf_counter()
    for asker in askers:
        asker.ask()
    await asyncio.gather(*(asker.over for asker in askers))
    return found._replace(seconds=time.perf_counter() - began, last=askers[0].last)


class _Asker(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], found: Answered) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last = b""
        self._requests = requests
        self._found = found
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(ConnectionError("the server closed a connection"))

    def ask(self) -> None:
        """Send the next request, or be done."""
        following = next(self._requests, None)
        if following is None:
            self.over.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.index(b"content-length: ") + len(b"content-length: ")
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + len(HEAD_END) + length:
            return
        self._found.latencies.append(time.perf_counter() - self._began)
        status = int(head[9:12])
        self._found.statuses[status] = self._found.statuses.get(status, 0) + 1
        self.last, self._buffer = self._buffer[end + len(HEAD_END) :], b""
        self.ask()
