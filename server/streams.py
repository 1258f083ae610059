"""Server-sent events: small notices that something has changed, each with a version.

A notice says nothing that a look would not say; whoever gets one looks again. So nothing is kept for those
who are away: a client that comes back with the version that it has seen last (``Last-Event-ID``) hears at
once if there is another one now, and else when there is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from perdure.engine import clock
from perdure.engine.errors import Overloaded, PerdureError
from perdure.engine.instance import ENDED
from perdure.server.answers import HEADERS
from perdure.server.settings import Settings
from perdure.server.waits import Waits

MEDIA_TYPE = "text/event-stream"
RETRY_MILLISECONDS = 1_000
Read = Callable[[], Awaitable[dict[str, Any]]]
"""The present notice; ``version`` is its version."""


class Streams:
    """The open streams of a server, of which there is a bounded number. Used from the event loop only."""

    def __init__(self, waits: Waits, settings: Settings) -> None:
        self._waits = waits
        self._settings = settings
        self.open = 0

    def response(self, watched: str | None, seen: str | None, read: Read) -> Stream:
        """The answer. ``watched`` is the instance whose changes the worker of this process tells of.

        Raises ``Overloaded`` when there are too many.
        """
        if self.open >= self._settings.streams:
            raise Overloaded("the server has as many open streams as it may", hint="ask again a little later")
        return Stream(self, self._notices(watched, seen, read))

    async def _notices(
        self, watched: str | None, seen: str | None, read: Read
    ) -> AsyncGenerator[bytes, None]:
        over = clock.monotonic() + self._settings.stream_seconds
        beat = clock.monotonic() + self._settings.heartbeat_seconds
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        with self._waits.looks(watched) as next_look:
            while True:
                try:
                    notice = await read()
                except PerdureError:
                    return  # it is there no more, or the database is not: who asks again is told
                if notice["version"] != seen:
                    seen = notice["version"]
                    yield f"event: changed\nid: {seen}\ndata: {json.dumps(notice)}\n\n".encode()
                    beat = clock.monotonic() + self._settings.heartbeat_seconds
                if notice.get("status") in ENDED:
                    return  # nothing more will change; who comes back is told so
                now = clock.monotonic()
                if now >= beat:
                    yield b": still here\n\n"
                    beat = now + self._settings.heartbeat_seconds
                if now >= over:
                    return
                if not await next_look(min(over, beat) - now):
                    return


class Stream(StreamingResponse):
    """One stream; it counts as open while it is sent."""

    def __init__(self, streams: Streams, notices: AsyncGenerator[bytes, None]) -> None:
        super().__init__(notices, 200, HEADERS, MEDIA_TYPE)
        self._streams = streams
        self._notices = notices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.open += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.open -= 1
            await self._notices.aclose()
