"""For operators: who did what, and what could not be delivered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.errors import NotFound
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, path_text, without_body

LIMIT = 50
_DIGITS = 18
"""More than any number has, and fewer than the database takes."""


async def stats(request: Request) -> Response:
    """What an instance's history is made of."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.statistics, path_text(request, "id")))


async def list_audit(request: Request) -> Response:
    """A page of what operators did, newest first."""
    query = Query(request, ("target", "action", "actor", "limit", "cursor"))
    api = api_of(request)
    page = await api.call(
        api.client.audit,
        target=query.text("target"),
        action=query.text("action"),
        actor=query.text("actor"),
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )
    return answer(page)


async def list_dead_letters(request: Request) -> Response:
    """A page of what could not be delivered, newest first, without payloads."""
    query = Query(request, ("instance", "limit", "cursor"))
    api = api_of(request)
    page = await api.call(
        api.client.dead_letters,
        query.text("instance"),
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )
    return answer(page)


async def show_dead_letter(request: Request) -> Response:
    """One, with its payload."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.dead_letter, _number(request)))


async def retry_dead_letter(request: Request) -> Response:
    """Deliver it after all: 202, the receiver hears of it soon."""
    key = await without_body(request)
    api = api_of(request)
    done = await api.call(api.client.retry_dead_letter, _number(request), request_key=key)
    return answer(done, 202)


async def discard_dead_letter(request: Request) -> Response:
    """Delete it."""
    key = await without_body(request)
    api = api_of(request)
    return answer(await api.call(api.client.discard_dead_letter, _number(request), request_key=key))


def _number(request: Request) -> int:
    text = path_text(request, "number")
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise NotFound(f"There is no dead letter {text!r}.", hint="they have numbers")
    return int(text)
