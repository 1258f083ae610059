"""Values that come from user code, made into plain JSON values or refused."""

from __future__ import annotations

import json
import marshal
import math
from typing import Any

import msgspec

from perdure.compiler.runtime import LimitError
from perdure.dsl.nesting import depth

MAX_BYTES = 1 << 20
"""Of one payload as JSON text in UTF-8."""
MAX_DEPTH = 64


_encoder = msgspec.json.Encoder()


def bounded(value: Any, field: str) -> Any:
    """A value that a workflow has made, to be written. Raises ``LimitError`` for one that is too large."""
    if type(value) in (str, dict, list):
        size = len(_encoder.encode(value))
        if size > MAX_BYTES:
            raise LimitError(
                f"{field} has {size} bytes as JSON, the limit is {MAX_BYTES}",
                "keep it elsewhere and pass its name, or pass less",
            )
    return value


class BadPayload(ValueError):
    """A value that is no JSON, or too large; the text says why."""


def to_json(value: Any) -> Any:
    """The value as JSON reads it back. Raises ``BadPayload``.

    Dataclasses, msgspec Structs, dates, UUIDs, sets and the like become what msgspec makes of them. NaN
    and infinities, texts with half a surrogate pair, values over 1 MiB or 64 levels are refused.
    """
    kind = type(value)
    if kind is bool or value is None or (kind is int and -(1 << 63) <= value < 1 << 63):
        return value
    if kind is float and math.isfinite(value):
        return value
    plain = _as_it_stands(value)
    return _read(_text(value)) if plain is None else plain


def _as_it_stands(value: Any) -> Any:
    """The value read back, if it is JSON already, as nearly every one is; else None."""
    try:
        # Refuses objects, and what is derived from lists, texts and so on: to compare those runs users' code,
        # which may raise, or equal what msgspec makes of them though that is something else (null for NaN).
        marshal.dumps(value, 2)
        decoded = _read(_encoder.encode(value))
        return decoded if decoded == value else None
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _read(text: bytes) -> Any:
    if len(text) > MAX_BYTES:
        raise BadPayload(
            f"the value has {len(text)} bytes as JSON, the limit is {MAX_BYTES}; "
            "keep it elsewhere and pass its name, or pass less"
        )
    decoded = msgspec.json.decode(text)
    # It is nested no deeper than there are brackets in its text.
    if text.count(b"{") + text.count(b"[") >= MAX_DEPTH and depth(decoded, MAX_DEPTH) > MAX_DEPTH:
        raise BadPayload(f"the value has more than {MAX_DEPTH} levels")
    return decoded


def _text(value: Any) -> bytes:
    """The JSON of what may have to be made JSON first. Raises ``BadPayload``, which says what is wrong."""
    try:
        return _JSON.encode(value).encode()
    except RecursionError:
        raise BadPayload("the value is nested too deeply") from None
    except UnicodeEncodeError:
        raise BadPayload("a text has half a surrogate pair; it is no valid Unicode") from None
    except ValueError as error:
        raise BadPayload(f"{error}; NaN and infinities are no JSON") from None
    except TypeError as error:
        raise BadPayload(str(error)) from None


def _builtin(value: Any) -> Any:
    made = msgspec.to_builtins(value)
    if made is value:
        raise TypeError(f"{type(value).__name__} is no JSON value")
    return made


_JSON = json.JSONEncoder(allow_nan=False, ensure_ascii=False, default=_builtin, separators=(",", ":"))
