"""Cursors of paged lists: where the next page begins, as opaque text."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

import msgspec

from perdure.engine.errors import UserError

Place = TypeVar("Place")

MAX_LIMIT = 1000
"""Items of a page."""


def encode_cursor(place: tuple[Any, ...]) -> str:
    """A place as text that fits into a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str, kind: type[Place]) -> Place:
    """The inverse of ``encode_cursor``. Raises ``UserError`` for anything else."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(text, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        problem = UserError("the cursor is not one that this list gave", hint="begin again without it")
        problem.code = "invalid_cursor"
        raise problem from error


def valid_limit(limit: int) -> int:
    """The length of a page, if it is one. Raises ``UserError``."""
    if not 1 <= limit <= MAX_LIMIT:
        raise UserError(f"limit is from 1 to {MAX_LIMIT}, not {limit}")
    return limit
