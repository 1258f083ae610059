"""For operators: who did what, and what could not be delivered."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.engine.cursors import MAX_LIMIT
from perdure.engine.errors import NotFound
from perdure.server import bodies, documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import Parameter, json_answer, json_body, route
from perdure.server.parameters import CURSOR, INSTANCE, NUMBER, limit
from perdure.server.payloads import Query, path_text, without_body

LIMIT = 50
_DIGITS = 18
"""More than any number has, and fewer than the database takes."""

_TAG = "Dead letters"
_UNKNOWN = "there is no such dead letter"


@route(
    "GET",
    "/instances/{id}/stats",
    Role.VIEWER,
    tag="Instances",
    pieces=[INSTANCE],
    answers={200: json_answer("By steps.", documents.Statistics)},
    problems={404: "there is no such instance"},
)
async def stats(request: Request) -> Response:
    """What an instance's history is made of."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.statistics, path_text(request, "id")))


@route(
    "GET",
    "/audit",
    Role.ADMIN,
    tag="Audit",
    query=[
        Parameter(name="target", text="What was done to this."),
        Parameter(name="action", text="This was done, as `instance.cancel`."),
        Parameter(name="actor", text="This one did it."),
        limit(LIMIT),
        CURSOR,
    ],
    answers={200: json_answer("A page.", documents.Audit)},
)
async def list_audit(request: Request) -> Response:
    """A page of what operators did, newest first."""
    query = Query(request)
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


@route(
    "GET",
    "/dead-letters",
    Role.VIEWER,
    tag=_TAG,
    query=[Parameter(name="instance", text="For this instance."), limit(LIMIT), CURSOR],
    answers={
        200: json_answer(
            "A page.",
            documents.DeadLetters,
            leads_to={"/dead-letters/{number}": {"number": "$response.body#/items/0/number"}},
        )
    },
)
async def list_dead_letters(request: Request) -> Response:
    """A page of what could not be delivered, newest first, without payloads."""
    query = Query(request)
    api = api_of(request)
    page = await api.call(
        api.client.dead_letters,
        query.text("instance"),
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )
    return answer(page)


@route(
    "GET",
    "/dead-letters/{number}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[NUMBER],
    answers={200: json_answer("The letter.", documents.DeadLetter)},
    problems={404: _UNKNOWN},
)
async def show_dead_letter(request: Request) -> Response:
    """One, with its payload."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.dead_letter, _number(request)))


@route(
    "POST",
    "/dead-letters/{number}/retry",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[NUMBER],
    body=json_body(bodies.Nothing, required=False),
    answers={202: json_answer("It is sent.", documents.Delivered)},
    problems={404: _UNKNOWN, 409: "a task, or what cannot be delivered again", 410: "the instance has ended"},
    keyed=True,
)
async def retry_dead_letter(request: Request) -> Response:
    """Deliver it after all: 202, the receiver hears of it soon."""
    key = await without_body(request)
    api = api_of(request)
    done = await api.call(api.client.retry_dead_letter, _number(request), request_key=key)
    return answer(done, 202)


@route(
    "POST",
    "/dead-letters/{number}/discard",
    Role.ADMIN,
    tag=_TAG,
    pieces=[NUMBER],
    body=json_body(bodies.Nothing, required=False),
    answers={200: json_answer("It is gone.", documents.Discarded)},
    problems={404: _UNKNOWN, 409: "another request had this Idempotency-Key"},
    keyed=True,
)
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
