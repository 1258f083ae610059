"""What comes in, read strictly: bodies and query parameters with nothing unknown, doubtful or too large."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request

from perdure.dsl.duration import parse_duration
from perdure.dsl.expr.suggest import did_you_mean
from perdure.server.api import api_of
from perdure.server.bodies import Nothing
from perdure.server.held import hold
from perdure.server.operation import JSON, operation_of
from perdure.server.problems import Problem

YAML = "application/yaml"
MAX_LEVELS = 66
"""Levels of a body: a payload of 64, which is the engine's limit, and the objects around it."""
MAX_DIGITS = 4_300
"""Of an integer; the interpreter reads no more."""
MAX_KEY = 255
"""Characters of an idempotency key."""

Fields = TypeVar("Fields", bound=msgspec.Struct)


# JSON -------------------------------------------------------------------------------------------


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises ``Problem`` (400) for what is no JSON, names that stand twice, NaN and infinities, half surrogate
    pairs and deep nesting: what different readers would read differently is not read at all.
    """
    try:
        text = data.decode("utf-8")
        value = _read(text)
    except UnicodeDecodeError as error:
        raise _bad_json(f"The byte at {error.start} is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise _bad_json(f"{error.msg} at line {error.lineno} column {error.colno}.") from None
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > MAX_LEVELS:
        _check_levels(value)
    if "\\u" in text:
        _check_unicode(value)
    return value


def _bad_json(detail: str, hint: str | None = None) -> Problem:
    return Problem(400, "bad_json", f"The body is not valid JSON: {detail}", hint=hint)


def _too_deep() -> Problem:
    return _bad_json(f"It is nested more than {MAX_LEVELS} levels deep.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _bad_json(f"The name {_quoted(twice)} stands twice in one object.")
    return value


def _no_constant(name: str) -> Any:
    raise _bad_json(f"{name} is not JSON.", hint="write null, or the number as text")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _bad_json(f"{text[:40]} is beyond what a double holds.", hint="write it as text")
    return value


def _bounded(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _bad_json(f"An integer has more than {MAX_DIGITS} digits.", hint="write it as text")
    return int(text)


def _read(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise json.JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
    return _DECODER.decode(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_bounded
)


def _check_levels(value: Any) -> None:
    level = _containers([value])
    for _ in range(MAX_LEVELS):
        if not level:
            return
        level = [item for each in level for item in _containers(each)]
    if level:
        raise _too_deep()


def _containers(value: dict[str, Any] | list[Any]) -> list[dict[str, Any] | list[Any]]:
    items = value.values() if isinstance(value, dict) else value
    return [each for each in items if isinstance(each, dict | list)]


def _check_unicode(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _bad_json("A text has half a surrogate pair, which is no Unicode.") from None


def _quoted(text: str) -> str:
    """A client's text inside a sentence: short, and one line."""
    shown = text if len(text) <= 60 else text[:59] + "…"
    return json.dumps(shown, ensure_ascii=not shown.isprintable())


# bodies -----------------------------------------------------------------------------------------


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, at most ``limit`` bytes. Raises ``Problem`` (413), before reading where it can.

    Starlette's own limit answers in plain text, and every answer here is a problem document.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise _too_large(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        hold(request, len(part))
        parts.append(part)
    return b"".join(parts)


async def read_json(request: Request, limit: int, *, optional: bool = False) -> Any:
    """The body as JSON; with ``optional`` no body at all is null. Raises ``Problem`` (400, 413, 415)."""
    data = await read_body(request, limit)
    if optional and not data:
        return None
    check_media_type(request, JSON)
    return parse_json(data)


async def read_fields(
    request: Request,
    shape: type[Fields],
    limit: int,
    *,
    optional: bool = False,
) -> Fields:
    """The body as an object of this shape.

    Raises ``Problem`` (422) for unknown names, with the nearest known one, and for wrong types.
    """
    value = await read_json(request, limit, optional=optional)
    return fields_of({} if optional and value is None else value, shape)


def fields_of(value: Any, shape: type[Fields], *, what: str = "body") -> Fields:
    """A value as an object of this shape. Raises ``Problem`` (422), as ``read_fields`` does."""
    if not isinstance(value, dict):
        raise Problem(422, "invalid_body", f"The {what} must be a JSON object.")
    _check_names(value, shape.__struct_fields__, "field")
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid_body", f"The {what} does not fit: {error}.") from None


def _too_large(limit: int) -> Problem:
    # What was not read stays unread: the connection cannot carry another request.
    headers = {"connection": "close"}
    return Problem(413, "too_large", f"The body has more than {limit} bytes, the limit.", headers=headers)


def check_media_type(request: Request, *allowed: str) -> str:
    """Which of the allowed types the body has. Raises ``Problem`` (415), also for one that is packed."""
    packed = request.headers.get("content-encoding", "identity")
    if packed.strip().lower() != "identity":
        detail = f"The body cannot be read: its Content-Encoding is {_quoted(packed)}."
        raise Problem(415, "media_type", detail, hint="send it as it is, without that header")
    given, _, parameters = request.headers.get("content-type", "").partition(";")
    kind = given.strip().lower()
    name, _, charset = parameters.strip().lower().partition("=")
    if kind not in allowed or (name == "charset" and charset.strip('"') not in {"utf-8", "utf8"}):
        shown = _quoted(request.headers["content-type"]) if given else "none"
        raise Problem(
            415,
            "media_type",
            f"The body's Content-Type must be {' or '.join(allowed)}, in UTF-8; it is {shown}.",
            hint=f"send the header Content-Type: {allowed[0]}",
        )
    return kind


def _check_names(given: Iterable[str], known: Collection[str], what: str) -> None:
    for name in given:
        if name in known:
            continue
        near = did_you_mean(name[:60], known)
        hint = f"did you mean {near!r}?" if near else f"known: {', '.join(known)}" if known else None
        raise Problem(422, f"unknown_{what}", f"There is no {what} {_quoted(name)} here.", hint=hint)


# the rest of a request ----------------------------------------------------------------------------


def path_text(request: Request, name: str) -> str:
    """A piece of the path, percent-decoded. Raises ``Problem`` (400) for what is not UTF-8."""
    try:
        return unquote(request.path_params[name], errors="strict")
    except UnicodeDecodeError:
        raise Problem(400, "bad_path", "The path is not percent-encoded UTF-8.") from None


def idempotency_key(request: Request) -> str | None:
    """The header that makes a POST repeatable. Raises ``Problem`` (422) for one that is no key."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        # Which of them counts, a proxy and we may see differently.
        raise Problem(422, "invalid_key", "The header Idempotency-Key stands more than once.")
    key = keys[0] if keys else None
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        detail = f"An Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters."
        raise Problem(422, "invalid_key", detail, hint="a UUID is a good one")
    return key


_EMPTY = QueryParams()


class Query:
    """The query parameters of a request: only those may be there that its route describes.

    Every method raises ``Problem`` (422).
    """

    def __init__(self, request: Request) -> None:
        self._given = request.query_params if request.scope["query_string"] else _EMPTY
        _check_names(self._given.keys(), [each.name for each in operation_of(request).query], "parameter")

    def all(self, name: str) -> list[str]:
        """Every value of a parameter that may be repeated."""
        return self._given.getlist(name)

    def text(self, name: str) -> str | None:
        """The value of a parameter that stands at most once."""
        values = self._given.getlist(name)
        if len(values) > 1:
            raise invalid_parameter(name, "stands more than once")
        return values[0] if values else None

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        value = self.text(name)
        return default if value is None else one_of(name, value, choices)

    def flag(self, name: str) -> bool:
        """``true`` or ``false``; the bare name means true."""
        return self.choice(name, ("true", "false", ""), "false") != "false"

    def count(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number between two bounds."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdecimal() and len(value) < 10 and least <= int(value) <= most):
            raise invalid_parameter(name, f"must be a whole number from {least} to {most}")
        return int(value)

    def seconds(self, name: str, most: float) -> float | None:
        """A duration as workflows write it (``30s``), in seconds."""
        value = self.text(name)
        if value is None:
            return None
        seconds = read_seconds(name, value)
        if seconds > most:
            raise invalid_parameter(name, f"must be at most {most:g}s", "ask again when it has passed")
        return seconds


def read_seconds(name: str, value: str) -> float:
    """A duration in seconds. Raises ``Problem`` (422)."""
    try:
        return parse_duration(value) / 1_000_000
    except ValueError as error:
        raise invalid_parameter(name, f"cannot be read: {error}") from None


def one_of(name: str, value: str, choices: Collection[str]) -> str:
    """``value``, if it is one of the choices. Raises ``Problem`` (422) with the nearest one."""
    if value in choices:
        return value
    words = [each for each in choices if each]
    near = did_you_mean(value[:60], words)
    hint = f"did you mean {near!r}?" if near else None
    raise invalid_parameter(name, f"must be one of {', '.join(words)}, not {_quoted(value)}", hint)


def invalid_parameter(name: str, reason: str, hint: str | None = None) -> Problem:
    """The refusal of a query parameter's value."""
    return Problem(422, "invalid_parameter", f"The parameter {name!r} {reason}.", hint=hint)


def read_tags(query: Query) -> dict[str, str]:
    """The tags of a filter. Raises ``Problem`` (422)."""
    tags: dict[str, str] = {}
    for each in query.all("tag"):
        key, colon, value = each.partition(":")
        if not (key and colon):
            raise invalid_parameter("tag", "is written tag=key:value")
        if key in tags:
            raise invalid_parameter("tag", f"stands twice for the key {_quoted(key)}")
        tags[key] = value
    return tags


async def without_body(request: Request) -> str | None:
    """The idempotency key of a request that says nothing in its body or its query. Raises ``Problem``."""
    Query(request)
    await read_fields(request, Nothing, api_of(request).settings.body_bytes, optional=True)
    return idempotency_key(request)
