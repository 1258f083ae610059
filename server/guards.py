"""Who may speak to a server without a key: programs on this machine, and no page of another site.

Two attacks come through a browser. A foreign page may *send* requests here, so those that change something
must say that they are of the same origin (after Go's ``CrossOriginProtection``). A foreign name may be
pointed at this machine (DNS rebinding) to *read* as well, so the Host header must name this machine.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from perdure.server.denials import note
from perdure.server.problems import Problem, problem_response

WITHOUT_KEY = "refused_without_key"
"""Where a scope has the refusal of a request that only a key which counts excuses, or None."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})
_ASCII = bytes(range(128))
_LONGEST_HOST = 253 + len(":65535")
"""Characters of a Host header: those of the longest name there can be, and a port."""


class Guard:
    """Refuses such requests, and leaves the path as it was sent, so that an id may hold ``%2F``.

    No page of another site knows a key, so one that counts excuses all of this. Whether it counts is for
    ``Scoped`` to say: a page behind a foreign name can show some header as well as anybody. A password
    excuses nothing: browsers add the one that they remember to what any page sends.
    """

    def __init__(self, app: ASGIApp, *, any_host: bool = False) -> None:
        self._app = app
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _refusal(scope["method"], headers, any_host=self._any_host)
        if refusal is not None and not headers.get("authorization", "").lower().startswith("bearer "):
            note(scope, refusal)
            await problem_response(refusal)(scope, receive, send)
            return
        # Bytes that no client should send as they are would be read here in one way and there in another.
        query = quote(scope["query_string"], safe=_ASCII).encode() if scope["query_string"] else b""
        path = scope["raw_path"].decode("latin-1")
        seen = {**scope, "path": path, "query_string": query, WITHOUT_KEY: refusal}
        await self._app(seen, receive, send)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine and is reached from it alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(method: str, headers: Headers, *, any_host: bool) -> Problem | None:
    host = headers.get("host", "")
    if not any_host and not (len(host) <= _LONGEST_HOST and _is_here(host)):
        return Problem(
            400,
            "foreign_host",
            "The Host header does not name this machine.",
            hint="a proxy in front must send Host: 127.0.0.1 and the port",
        )
    if method in _SAFE or _is_own(headers, host):
        return None
    return Problem(403, "cross_origin", "A page of another origin may not change anything here.")


def _is_own(headers: Headers, host: str) -> bool:
    """Whether no browser sent it, or one that shows a page of this very server."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in _OWN
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()


@lru_cache(1024)
def _is_here(host: str) -> bool:
    """Whether a Host header, of a length that may be kept, names this machine."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
