"""Runs the application on this machine until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from types import FrameType
from typing import cast

import uvicorn
from starlette.applications import Starlette

from perdure.engine.errors import UserError
from perdure.server.api import Api
from perdure.server.connections import Connection, room_for
from perdure.server.guards import is_loopback

GRACE_SECONDS = 5
"""How long requests in flight may go on after the order to stop."""
_BACKLOG = 2048
_LAST_PORT = 65_535


def serve(
    app: Starlette,
    host: str,
    port: int,
    *,
    reachable: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; a second SIGINT stops at once. Returns when all is closed.

    ``on_ready`` is called with the URL as soon as requests are answered; port 0 takes a free one. Raises
    ``UserError`` for a host that other machines can reach, unless it is ``reachable``, and for a port that
    cannot be had.
    """
    if not (is_loopback(host) or reachable):
        raise UserError(
            f"Others could reach perdure on {host} and would need no key.",
            hint="make one with `perdure keys create`, or bind to 127.0.0.1",
        )
    with _listen(host, port) as listener:
        url, api = _url(listener), app.state.api
        connection = partial(
            Connection,
            head_seconds=api.settings.head_seconds,
            body_seconds=api.settings.body_seconds,
            most_connections=room_for(api.settings.connections),
        )
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", connection),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        _Server(config, api, lambda: on_ready(url) if on_ready else None).run([listener])


class _Server(uvicorn.Server):
    """uvicorn waits for open requests before it tells anyone of the shutdown: long ones must hear of it."""

    def __init__(self, config: uvicorn.Config, api: Api, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._api = api
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._api.waits.close()
        await super().shutdown(sockets)
        await self._api.denials.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not remembered: uvicorn would raise it once more when all is closed, and kill the caller,
        # who still has a worker to stop.
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = self._api.readiness.stopping = True


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= _LAST_PORT:
        raise UserError(f"{port} is no port.", hint=f"ports are 0 to {_LAST_PORT}; 0 takes a free one")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # Python repeats the address there.
        hint = "another server may be running there; choose another port"
        if error.errno != errno.EADDRINUSE:
            hint = "choose an address of this machine, and a port that you may use"
        raise UserError(f"perdure cannot listen on {host} port {port}: {why}.", hint=hint) from None
    # Connections inherit it. asyncio sets it only where it made the socket itself, and without it
    # an answer waits 40 ms for the client's delayed acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ip_address(host).version == 6 else f"http://{host}:{port}"
