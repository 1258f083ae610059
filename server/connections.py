"""One connection of HTTP/1.1: uvicorn's, with the bounds that it leaves to others.

The head of a request must come whole, in time and in so many bytes; nobody may keep a connection by sending
next to nothing, or by reading nothing; and there are no more connections than this process has room for.
"""

from __future__ import annotations

import asyncio
import resource
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perdure.server.problems import RETRY_SECONDS, Problem, problem_response

MAX_HEAD = 64 << 10
"""Bytes of a request's line and headers."""
SPARE_FILES = 128
"""Of the files that this process may have open, those that are for others than connections."""


def room_for(connections: int) -> int:
    """So many, or as many as this process may open files for."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return connections if most == resource.RLIM_INFINITY else max(min(connections, most - SPARE_FILES), 1)


class Connection(HttpToolsProtocol):
    """A connection, of ``most_connections`` at most.

    A head has ``head_seconds`` from the answer before it, and a body ``body_seconds`` from its head.
    """

    def __init__(
        self,
        *arguments: Any,
        head_seconds: float,
        body_seconds: float,
        most_connections: int,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._seconds = head_seconds
        self._body_seconds = body_seconds
        self._most = most_connections
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head = 0
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._refuse(Problem(503, "overloaded", "This server has as many connections as it can."))
        else:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        was_in_head, self._head = self._in_head, self._head + len(data)
        try:
            super().data_received(data)
        except UnicodeDecodeError:
            self.send_400_response("Invalid HTTP request received.")
        if not (was_in_head and self._in_head):
            self._head = 0
            if not self._in_head and self._timer is None and not self.transport.is_closing():
                # The head is there, and its body is not yet.
                self._timer = self.loop.call_later(self._body_seconds, self._body_too_slow)
        elif self._head > MAX_HEAD:
            self._refuse(Problem(431, "too_large", f"The head has more than {MAX_HEAD} bytes, the limit."))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head = 0
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._unread = self.transport.get_write_buffer_size()
        self._timer = self.loop.call_later(self._seconds, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _body_too_slow(self) -> None:
        if not self.cycle.response_started:
            self.cycle.response_started = self.cycle.response_complete = True
            self._refuse(Problem(408, "too_slow", "The body did not come in time.", hint="send less at once"))
        self.transport.close()

    def _too_slow(self) -> None:
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self.transport.close()
        elif unread < self._unread:
            # Slowly, but it reads its answer.
            self._wait_for_head()
        else:
            self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        again = {"retry-after": str(RETRY_SECONDS)} if problem.status == 503 else {}
        problem.headers = {"connection": "close", **again}
        answer = problem_response(problem)
        lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in answer.raw_headers]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
