"""Bearer tokens of an OpenID provider: its signature says who somebody is, a claim what they may do.

A token counts when the provider has signed it with one of its public keys, by an algorithm of ``ALGORITHMS``,
for this audience, and it has not expired. Keys are fetched when they are first needed, and again now and
then: within bounds of time and size, never from where a token says, nor because of a flood of tokens.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from perdure.engine import clock
from perdure.engine.access import Role
from perdure.engine.audit import MAX_ACTOR
from perdure.engine.errors import UserError
from perdure.engine.store.rows import ApiKey
from perdure.server.guards import is_loopback
from perdure.server.problems import Problem

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a private key. None of them can be made with what is public."""
ROLES: Mapping[str, Role] = MappingProxyType({f"perdure-{each.word}": each for each in Role})
"""What a claim says for each role, unless it is told otherwise."""
LEEWAY = 30
"""Seconds that clocks may differ."""
MAX_TOKEN = 16 << 10
MAX_BYTES = 1 << 20
MAX_KEYS = 100
FETCH_SECONDS = 10.0
"""For one document, whatever the other side does."""
FRESH_SECONDS = 600.0
"""How long keys are believed before they are fetched again."""
STALE_SECONDS = 3600.0
"""How long they are believed when nobody answers."""
PAUSE_SECONDS = 30.0
"""Between two attempts: a token with an unknown key may be the first of a new one, or a flood."""

_UNREADABLE = (ValueError, TypeError, ArithmeticError, RecursionError)
"""What else is raised by texts, numbers and nesting that nobody expects in a token or a key."""

_log = logging.getLogger("perdure.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Whose tokens count, and for what. ``claim`` is a path with dots; ``jwks`` is found by ``issuer``."""

    issuer: str
    audience: str
    claim: str = "roles"
    roles: Mapping[str, Role] = field(default_factory=lambda: ROLES)
    jwks: str | None = None

    def __post_init__(self) -> None:
        """Raises ``UserError`` for what cannot be one, and where PyJWT is missing."""
        for url in (self.issuer, self.jwks):
            if url is not None and not _is_safe(url):
                raise UserError(
                    f"{url!r} is no address to get keys from.",
                    hint="they come by https, or from this very machine",
                )
        if not self.audience:
            raise UserError(
                "Tokens are made for somebody: an audience is needed.",
                hint="give --oidc-audience the name that the provider has for this server",
            )
        if find_spec("jwt") is None or find_spec("cryptography") is None:
            raise UserError(
                "This server cannot check tokens: the package PyJWT is missing.",
                hint="pip install 'perdure[oidc]'",
            )


class Tokens:
    """Says whose a token is. May be used from several threads. ``now`` is in seconds, since whenever."""

    def __init__(self, provider: Provider, now: Callable[[], float] = clock.monotonic) -> None:
        self._provider = provider
        self._now = now
        self._lock = threading.Lock()
        self._keys: dict[str | None, dict[str, Any]] = {}
        self._fetched = self._tried = float("-inf")

    @staticmethod
    def may_be(token: str) -> bool:
        """Whether it looks like a token of a provider, and not like a key of ours."""
        return token.count(".") == 2 and len(token) <= MAX_TOKEN

    def key(self, token: str) -> ApiKey | None:
        """Whose token it is, as if they had a key; None when it does not count. Blocks.

        Raises ``Problem``: 403 for one who has no role here, 503 when the provider's keys cannot be had.
        """
        header = _header(token)
        found = None if header is None else self._key_of(header.get("kid"))
        claims = None if header is None or found is None else self._claims(token, header.get("alg"), found)
        if claims is None:
            return None
        name = f"oidc:{claims['sub']}"
        if len(name) > MAX_ACTOR or not name.isprintable() or not claims["sub"]:
            return None
        role = self._role(claims)
        if role is None:
            detail = f"{name} has none of the roles of this server in the claim {self._provider.claim!r}."
            raise Problem(403, "forbidden", detail)
        return ApiKey(id=name, name=name, role=role.word, hash="")

    def _claims(self, token: str, algorithm: Any, found: dict[str, Any]) -> dict[str, Any] | None:
        """What a token says that this key has signed; None when it does not count."""
        import jwt  # noqa: PLC0415

        if algorithm not in ALGORITHMS or found.get("alg", algorithm) != algorithm:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(found, algorithm).key,
                algorithms=[algorithm],
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, *_UNREADABLE):
            return None
        return claims

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest one."""
        said: Any = claims
        for name in self._provider.claim.split("."):
            said = said.get(name) if isinstance(said, Mapping) else None
        values = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        known = self._provider.roles
        return max((known[each] for each in values if isinstance(each, str) and each in known), default=None)

    def _key_of(self, kid: str | None) -> dict[str, Any] | None:
        """The public key of this id; the only one, without an id."""
        old = self._now() - self._fetched >= FRESH_SECONDS
        # Whoever has keys does not wait while others fetch them anew.
        if (old or self._named(kid) is None) and self._lock.acquire(blocking=not self._keys):
            try:
                self._refresh()
            finally:
                self._lock.release()
        if self._now() - self._fetched >= STALE_SECONDS:
            detail = "The keys of the provider of tokens cannot be had."
            raise Problem(503, "provider", detail, headers={"retry-after": str(int(PAUSE_SECONDS))})
        return self._named(kid)

    def _named(self, kid: str | None) -> dict[str, Any] | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _refresh(self) -> None:
        """Fetch the keys, unless somebody tried it a moment ago; what fails leaves those that there are."""
        now = self._now()
        if now - self._tried < PAUSE_SECONDS:
            return
        self._tried = now
        try:
            self._keys = _signing_keys(fetch_json(self._place()))
            self._fetched = self._now()
        except (OSError, ValueError) as error:
            _log.warning("no keys from %s (%s)", self._provider.issuer, error)

    def _place(self) -> str:
        """Where the keys are. Raises ``ValueError`` for a provider that is another, or sends us elsewhere."""
        if self._provider.jwks is not None:
            return self._provider.jwks
        found = fetch_json(f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration")
        if not isinstance(found, dict) or found.get("issuer") != self._provider.issuer:
            raise ValueError("it says that it is another issuer")
        place = found.get("jwks_uri")
        if not isinstance(place, str) or not _is_safe(place):
            raise ValueError("its keys are at no https address")
        return place


def _header(token: str) -> dict[str, Any] | None:
    """What a token says of itself, before its signature is checked; None for what is none.

    One that must not be taken by who does not understand something in it is none either.
    """
    import jwt  # noqa: PLC0415

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, *_UNREADABLE):
        return None
    return None if "crit" in header else header


def fetch_json(url: str) -> Any:
    """A JSON document, within the bounds. Raises ``ValueError``, and ``OSError`` when nobody answers."""
    import httpx2  # noqa: PLC0415

    until, data = clock.monotonic() + FETCH_SECONDS, b""
    try:
        with httpx2.stream("GET", url, timeout=FETCH_SECONDS / 2, follow_redirects=False) as answer:
            if answer.status_code != 200:
                raise ValueError(f"{url} answers {answer.status_code}")
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_BYTES:
                    raise ValueError(f"{url} has more than {MAX_BYTES:,} bytes")
                if clock.monotonic() > until:
                    raise ValueError(f"{url} takes longer than {FETCH_SECONDS:g} seconds")
    except httpx2.HTTPError as error:
        raise OSError(f"{url}: {error}") from None
    except httpx2.InvalidURL as error:
        raise ValueError(f"{url!r} is no address: {error}") from None
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError(f"{url} is nested too deeply") from None


def _signing_keys(document: Any) -> dict[str | None, dict[str, Any]]:
    """Public keys for signatures, by their ids. Raises ``ValueError`` when there are none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found = {
        each.get("kid"): each
        for each in (listed if isinstance(listed, list) else [])[:MAX_KEYS]
        if isinstance(each, dict)
        and each.get("kty") in ("RSA", "EC", "OKP")
        and each.get("use", "sig") == "sig"
        and isinstance(each.get("kid"), str | None)
        and _is_key(each)
    }
    if not found:
        raise ValueError("it has no keys for signatures")
    return found


def _is_key(found: dict[str, Any]) -> bool:
    """Whether something can be made of it: it is from outside, and may hold anything."""
    import jwt  # noqa: PLC0415

    try:
        jwt.PyJWK(found)
    except Exception as error:  # noqa: BLE001
        _log.warning("the key %r of the provider of tokens cannot be read (%s)", found.get("kid"), error)
        return False
    return True


def _is_safe(url: str) -> bool:
    """Whether nobody between can change what comes from there."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
