"""Tokens: who has one may complete the activity that gave it away, and nothing else.

A token names a task and is sealed with a key that only the hub's database has. It is the same for every
delivery of the task, so one that was given away before a crash is good after it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

import msgspec


class Place(NamedTuple):
    """What a token stands for: the task of an instance."""

    instance: str
    execution: str
    seq: int


def token_for(key: str, place: Place) -> str:
    """The token of a task; it may stand in a URL as it is."""
    body = _text(msgspec.json.encode(place))
    return f"{body}.{_seal(key, body)}"


def place_of(key: str, token: str) -> Place | None:
    """The task of a token; None for one that this hub has not made."""
    body, _, seal = token.partition(".")
    if not hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(key, body).encode()):
        return None
    try:
        padding = "=" * (-len(body) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(body + padding), type=Place)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None


def _seal(key: str, body: str) -> str:
    return _text(hmac.digest(key.encode(), body.encode("utf-8", "replace"), hashlib.sha256))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
