"""What goes out when all is well: JSON with a line end, never cached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_DOCUMENTS = msgspec.json.Encoder()


def encode_json(document: Any) -> bytes:
    """The document as UTF-8. Raises ValueError for what is no JSON: NaN, infinities, half surrogate pairs."""
    return _ENCODER.encode(document).encode() + b"\n"


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. The document is one of ours: it has nothing in it that is no JSON."""
    body = _DOCUMENTS.encode(document) + b"\n"
    return Response(body, status, {**HEADERS, **(headers or {})}, "application/json")


def text_answer(text: str, media_type: str) -> Response:
    """An answer for people: YAML, or a listing."""
    return Response(text, 200, HEADERS, media_type)
