"""What a request says, read as leniently as Durable Functions does: what cannot be read counts as absent."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.requests import Request

from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.errors import UserError
from perdure.engine.instance import Status
from perdure.engine.views import parse_time
from perdure.server.api import api_of
from perdure.server.payloads import parse_json, read_body
from perdure.server.problems import Problem

RPC = "/durabletask"
"""The prefix of programs: the Python client sends JSON text as a JSON string there."""
PUBLIC = "/runtime/webhooks/durabletask"
"""The prefix of people, and of the links in answers."""
PAGE = 100
"""Rows of a page that nobody gave a size."""
_STATUSES = {str(status).lower(): status for status in Status}


class Parameters:
    """The query parameters. Their names have no case, and unknown ones are ignored."""

    def __init__(self, request: Request) -> None:
        self._given = [(name.lower(), value) for name, value in request.query_params.multi_items()]

    def text(self, name: str) -> str | None:
        """The first value; None when it is empty or absent."""
        return next((value for given, value in self._given if given == name.lower() and value), None)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """``true`` or ``false``, in any case."""
        return {"true": True, "false": False}.get((self.text(name) or "").lower(), default)

    def number(self, name: str) -> float | None:
        """A number that is not negative, with or without decimals."""
        try:
            value = float(self.text(name) or "")
        except ValueError:
            return None
        return value if math.isfinite(value) and value >= 0 else None

    def page_size(self) -> int:
        """How many rows ``top`` asks for, within what a page may have."""
        return min(max(int(self.number("top") or PAGE), 1), MAX_LIMIT)

    def time(self, name: str) -> str | None:
        """A time in RFC 3339; one without a zone is in UTC."""
        text = self.text(name)
        for each in () if text is None else (text, f"{text}Z"):
            try:
                parse_time(each)
            except (UserError, OverflowError):
                continue
            return each
        return None

    def statuses(self) -> list[Status] | None:
        """The values of ``runtimeStatus``, with commas or repeated; None when there is no such parameter.

        Names that are none are left out, so the list may be empty: nothing has such a status.
        """
        given = [value for name, value in self._given if name == "runtimestatus" and value]
        if not given:
            return None
        names = [name.strip().lower() for value in given for name in value.split(",")]
        return [_STATUSES[name] for name in names if name in _STATUSES]

    def links(self) -> list[tuple[str, str]]:
        """What a link in an answer carries on: the hub, the connection, the key."""
        pairs = [(name, self.text(name) or "perdure") for name in ("taskHub", "connection")]
        code = self.text("code")
        return pairs if code is None else [*pairs, ("code", code)]


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def body_text(request: Request) -> str:
    """The body as text. Raises ``Problem`` for what is too large, or not UTF-8."""
    data = await read_body(request, api_of(request).settings.body_bytes)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Problem(400, "bad_json", "The body is not UTF-8.") from None


async def body_value(request: Request) -> Any:
    """The body as JSON; nothing is null. Raises ``Problem`` for what is no JSON, or too large.

    Under the prefix of programs, JSON inside a string is what was meant: the Python client makes JSON text of
    a value, and lets an HTTP library make JSON of that text.
    """
    text = await body_text(request)
    if not text:
        return None
    value = parse_json(text.encode())
    if isinstance(value, str) and request.url.path.lower().startswith(f"{RPC}/"):
        try:
            return parse_json(value.encode("utf-8", "surrogatepass"))
        except Problem:
            return value
    return value


def compact(value: Any) -> str:
    """A value as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
