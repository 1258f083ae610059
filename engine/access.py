"""Keys of those who ask over HTTP: the part of ``Client`` that makes, lists and revokes them.

A key is ``pdk_ID_SECRET``: the id finds its row, and of the secret, 256 bits of chance, the row has the
SHA-256 alone. That is enough for a secret that nobody chose: there is no list of likely ones to try.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from contextlib import suppress
from enum import IntEnum
from typing import Any

from perdure.engine import audit
from perdure.engine.caller import Caller
from perdure.engine.errors import StoreError, UserError
from perdure.engine.ids import new_id
from perdure.engine.store.rows import ApiKey
from perdure.engine.views import time_text

PREFIX = "pdk"
NOTED_EVERY = 60_000_000
"""Microseconds between two notes that a key is used."""
MAX_LIFETIME = 10 * 366 * 86_400.0
"""Seconds after which a key expires at the latest, when it expires."""

_ID = re.compile(r"[0-9a-f]{12}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}")
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")


class Role(IntEnum):
    """What somebody may do; each role may do what the ones before may.

    A viewer looks. An operator starts, sends, cancels, suspends, rewinds and the like. An admin deploys,
    deletes, and makes keys.
    """

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


def role_of(text: str) -> Role:
    """The role of this name. Raises ``UserError``."""
    try:
        return Role[text.upper()]
    except KeyError:
        known = ", ".join(each.word for each in Role)
        raise UserError(f"there is no role {text!r}", hint=f"one of: {known}") from None


class Access(Caller):
    """The methods of a client."""

    def create_key(self, name: str, role: str, *, expires: float | None = None) -> dict[str, Any]:
        """Make a key, with its ``secret``, which nobody can show again; audited.

        ``expires`` is in seconds from now. Raises ``Conflict`` for a name in use, ``UserError`` for what is
        no name, role or time.
        """
        if not _NAME.fullmatch(name):
            error = UserError(f"{name!r} is no name of a key", hint="letters, digits, '_', '.', '@' and '-'")
            error.code = "invalid_name"
            raise error
        if _ID.fullmatch(name):
            # Whoever revokes a key names it either way, and must not mean another one.
            error = UserError(f"{name!r} could be the id of a key", hint="ids are 12 of 0-9 and a-f")
            error.code = "invalid_name"
            raise error
        if expires is not None and not 0 < expires <= MAX_LIFETIME:
            raise UserError("a key expires after more than nothing, and within ten years")
        known, secret = role_of(role).word, secrets.token_urlsafe(32)
        until = None if expires is None else self.store.time() + round(expires * 1_000_000)
        row = ApiKey(id=new_id()[:12], name=name, role=known, hash=_hashed(secret), expires_at=until)
        said = audit.entry(self.actor, "key.create", name, role=known, id=row.id, expires_at=time_text(until))
        kept = self.store.add_api_key(row, said)
        return {**key_view(kept), "secret": f"{PREFIX}_{kept.id}_{secret}"}

    def keys(self) -> list[dict[str, Any]]:
        """All that there have been, oldest first, without their secrets."""
        return [key_view(each) for each in self.store.api_keys()]

    def revoke_key(self, name: str) -> dict[str, Any]:
        """Let a key, by its name or its id, count no more; audited. Raises ``NotFound``."""
        return key_view(self.store.revoke_api_key(name, audit.entry(self.actor, "key.revoke", name)))

    def authenticate(self, token: str) -> ApiKey | None:
        """Whose key this is, if it counts now; that it is used is noted."""
        found = _TOKEN.fullmatch(token)
        row = None if found is None else self.store.api_key(found[1])
        if found is None or row is None or not hmac.compare_digest(row.hash, _hashed(found[2])):
            return None
        now = self.store.time()
        if not counts(row, now):
            return None
        if row.used_at is None or row.used_at < now - NOTED_EVERY:
            # Whoever may look is let in while nothing can be written.
            with suppress(StoreError):
                self.store.use_api_key(row.id, NOTED_EVERY)
        return row


def counts(key: ApiKey, now: int) -> bool:
    """Whether a key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def key_view(key: ApiKey) -> dict[str, Any]:
    """The document of a key. Its secret is not in it."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "created_at": time_text(key.created_at),
        "expires_at": time_text(key.expires_at),
        "revoked_at": time_text(key.revoked_at),
        "used_at": time_text(key.used_at),
    }


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
