"""Who may do what over HTTP.

Every route says which role it needs, or that anybody may ask; an application with a route that says neither
does not start. As long as a hub has no keys, a server on the loopback address asks for none: every program of
this machine may do everything. Once there is a key, or a server is told to ask for them, nothing but the
probes is answered without one.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine import clock
from perdure.engine.access import Role
from perdure.engine.client import Client
from perdure.engine.requests import outcome
from perdure.engine.store.rows import ApiKey
from perdure.server.denials import NOBODY, note
from perdure.server.guards import WITHOUT_KEY
from perdure.server.held import release
from perdure.server.oidc import Tokens
from perdure.server.problems import Problem
from perdure.server.rates import Rates

Endpoint = Callable[[Request], Awaitable[Response]]


class Unknown(Enum):
    """Somebody has to look."""

    YET = "yet"


REMEMBERED_SECONDS = 1.0
"""How long an answer about a key is believed: a revoked one is refused after this at the latest."""
REMEMBERED = 10_000
"""Keys that are remembered at a time."""
UNKNOWN: Unknown = Unknown.YET
BESIDE = "--db URL`, on the machine of the database,"
"""How a command goes round the server: whoever can open the database needs no key."""
CHALLENGE = {"www-authenticate": 'Bearer realm="perdure"'}


class Gate:
    """Knows whose key is shown. ``required`` asks for one even where the hub has none.

    With ``tokens`` those of a provider count beside keys, and one of the two is asked for in any case.
    """

    def __init__(self, client: Client, *, required: bool, tokens: Tokens | None = None) -> None:
        self._client = client
        self._tokens = tokens
        self._required = required or tokens is not None
        self._open_until = float("-inf")
        self._known: OrderedDict[bytes, tuple[float, ApiKey]] = OrderedDict()

    def known(self, token: str | None) -> ApiKey | Unknown | None:
        """What ``check`` would say, if that is remembered. Never blocks."""
        now = clock.monotonic()
        if token is None:
            return None if now < self._open_until else UNKNOWN
        until, key = self._known.get(_name(token), (now, UNKNOWN))
        return key if now < until else UNKNOWN

    def is_foreign(self, token: str | None) -> bool:
        """Whether it may be a token of a provider, about which ``check`` may have to ask over the network."""
        return self._tokens is not None and token is not None and self._tokens.may_be(token)

    def check(self, token: str | None) -> ApiKey | None:
        """Whose key it is; None when none is needed. Blocks. Raises ``Problem`` (401)."""
        key = None if token is None else self._key(token)
        if key is not None or self._is_open():
            return key
        if token is not None:
            detail = "This key is none of this hub's, or has expired, or was revoked."
            hint: str | None = f"`perdure keys list {BESIDE} shows which ones count"
            if self.is_foreign(token):
                detail = (
                    "This token is not from this server's provider, is not for this server, or has expired."
                )
                hint = None
            raise Problem(401, "unauthorized", detail, hint=hint, headers=CHALLENGE)
        raise Problem(
            401,
            "unauthorized",
            "This server asks for a key.",
            hint="commands take one from PERDURE_KEY, programs show it as Authorization: Bearer; "
            f"`perdure keys create NAME --role ROLE {BESIDE} makes one",
            headers=CHALLENGE,
        )

    def check_each(self, tokens: Sequence[str | None]) -> list[ApiKey | Exception | None]:
        """What ``check`` returns or raises for each of them; it looks once for those that show the same."""
        found: dict[str | None, ApiKey | Exception | None] = {}
        for token in tokens:
            if token not in found:
                found[token] = outcome(self.check, token)
        return [found[token] for token in tokens]

    def forget(self) -> None:
        """Believe nothing any more: keys have changed."""
        self._open_until = float("-inf")
        self._known.clear()

    def _is_open(self) -> bool:
        if self._required or self._client.keys():
            return False
        self._open_until = clock.monotonic() + REMEMBERED_SECONDS
        return True

    def _key(self, token: str) -> ApiKey | None:
        if self._tokens is not None and self.is_foreign(token):
            key = self._tokens.key(token)
        else:
            key = self._client.authenticate(token)
        if key is not None:
            self._known[_name(token)] = clock.monotonic() + REMEMBERED_SECONDS, key
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return key


def _name(token: str) -> bytes:
    """What a key is remembered under: keys themselves do not lie about in memory."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


class Scoped:
    """An endpoint for those who have a role; for everybody, when it is None."""

    def __init__(self, role: Role | None, endpoint: Endpoint) -> None:
        self.role = role
        self._endpoint = endpoint

    async def __call__(self, request: Request) -> Response:
        refusal = request.scope.get(WITHOUT_KEY)
        if self.role is not None or refusal is not None:
            await self._let_in(request, self.role, refusal)
        try:
            return await self._endpoint(request)
        finally:
            release(request)

    async def _let_in(self, request: Request, needed: Role | None, refusal: Problem | None) -> None:
        api = request.app.state.api
        key: ApiKey | None = None
        try:
            token = _token(request)
            key = api.gate.known(token)
            if key is UNKNOWN:
                key = None
                key = await api.whose(token)
            if key is None and refusal is not None:
                raise refusal
            if key is not None and needed is not None and Role[key.role.upper()] < needed:
                detail = f"The key {key.name!r} has the role {key.role}, and this needs {needed.word}."
                hint = f"`perdure keys create NAME --role {needed.word} {BESIDE} makes one that may"
                raise Problem(403, "forbidden", detail, hint=hint)
        except Problem as problem:
            note(request.scope, problem, NOBODY if key is None else key.name)
            raise
        if key is not None:
            _keep_to_rate(api.rates, key)
        request.state.key = key


def _keep_to_rate(rates: Rates, key: ApiKey) -> None:
    """Raises ``Problem`` (429) for a key that asks too often."""
    seconds = rates.wait(key.id)
    if seconds > 0:
        detail = f"The key {key.name!r} has asked more often than this server lets one key ask."
        headers = {"retry-after": str(math.ceil(seconds))}
        raise Problem(429, "rate_limited", detail, hint="ask again a little later", headers=headers)


def anybody(endpoint: Endpoint) -> Scoped:
    """No key is needed."""
    return Scoped(None, endpoint)


def viewer(endpoint: Endpoint) -> Scoped:
    """For those who may look."""
    return Scoped(Role.VIEWER, endpoint)


def operator(endpoint: Endpoint) -> Scoped:
    """For those who may start and act."""
    return Scoped(Role.OPERATOR, endpoint)


def admin(endpoint: Endpoint) -> Scoped:
    """For those who may deploy, delete and make keys."""
    return Scoped(Role.ADMIN, endpoint)


def _token(request: Request) -> str | None:
    """The key that a request shows.

    Clients of Durable Functions show it as ``code``, or as a password where a URL is all that they can be
    told. Raises ``Problem`` (401) for a header that is none of ours.
    """
    header = request.headers.get("authorization")
    shows_code = request.scope.get("shows_code", False)
    if header is None:
        return request.query_params.get("code") if shows_code else None
    scheme, _, rest = header.partition(" ")
    token = ""
    if scheme.lower() == "bearer":
        token = rest.strip()
    elif scheme.lower() == "basic" and shows_code:
        token = _password(rest)
    if not token:
        raise Problem(
            401, "unauthorized", "The header Authorization is written: Bearer pdk_...", headers=CHALLENGE
        )
    return token


def _password(credentials: str) -> str:
    """That of HTTP's basic authentication; empty when there is none."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
