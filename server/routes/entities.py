"""Entities: look, call, signal, delete."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.engine.cursors import MAX_LIMIT
from perdure.server import documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import Parameter, json_answer, json_body, route
from perdure.server.parameters import CURSOR, DURATION, ENTITY, FLAG, OPERATION, REASON, TIME, limit
from perdure.server.payloads import Query, idempotency_key, invalid_parameter, path_text, read_json

LIMIT = 50
WAIT_SECONDS = 30.0
"""How long a call is waited for that does not say so itself."""

_TAG = "Entities"


@route(
    "GET",
    "/entities",
    Role.VIEWER,
    tag=_TAG,
    query=[
        Parameter(name="name", text="Of this type."),
        Parameter(name="key", text="What their keys begin with."),
        Parameter(name="updated_from", text="Written then or later.", schema=TIME),
        Parameter(name="updated_to", text="Written then or before.", schema=TIME),
        limit(LIMIT),
        CURSOR,
    ],
    answers={200: json_answer("A page.", documents.Entities)},
)
async def list_entities(request: Request) -> Response:
    """A page of those that have a state, by type and key."""
    query = Query(request)
    api = api_of(request)
    page = await api.call(
        api.client.entities,
        type=query.text("name"),
        key_prefix=query.text("key") or "",
        updated_from=query.text("updated_from"),
        updated_to=query.text("updated_to"),
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )
    return answer(page)


@route(
    "GET",
    "/entities/{entity}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[ENTITY],
    answers={200: json_answer("The entity.", documents.Entity)},
    problems={404: "it has no state"},
)
async def show(request: Request) -> Response:
    """The state of one, as it is committed."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.entity, path_text(request, "entity")))


@route(
    "POST",
    "/entities/{entity}/{operation}",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[ENTITY, OPERATION],
    query=[
        Parameter(name="call", text="Wait for the result.", schema=FLAG),
        Parameter(name="wait", text="How long, of a call.", schema=DURATION),
        Parameter(name="at", text="When it is carried out, of a signal.", schema=TIME),
    ],
    body=json_body(Any, required=False),
    answers={
        202: json_answer(
            "It is durable, and will be carried out.",
            documents.Signaled,
            leads_to={"/entities/{entity}": {"entity": "$response.body#/id"}},
        ),
        200: json_answer("The result of a call.", documents.Result),
    },
    problems={404: "no such type, or no such operation of it", 409: "deployed by another release"},
    keyed=True,
)
async def operate(request: Request) -> Response:
    """The body is the operation's input, no body is null.

    A signal is 202; with ``call`` the answer is 200 with the result, or 202 when ``wait`` has passed.
    """
    query = Query(request)
    api, key = api_of(request), idempotency_key(request)
    entity, operation = path_text(request, "entity"), path_text(request, "operation")
    call, at = query.flag("call"), query.text("at")
    seconds = query.seconds("wait", api.settings.wait_seconds)
    if call and at is not None:
        raise invalid_parameter("at", "is for signals: nobody waits so long for a call")
    if seconds is not None and not call:
        raise invalid_parameter("wait", "is for calls", hint="add call=true")
    value = await read_json(request, api.settings.body_bytes, optional=True)
    if not call:
        await api.call(api.client.signal_entity, entity, operation, value, at=at, request_key=key)
        return answer({"id": entity, "operation": operation}, 202)
    wait = min(WAIT_SECONDS, api.settings.wait_seconds) if seconds is None else seconds
    result = await api.call(api.client.call_entity, entity, operation, value, timeout=wait, request_key=key)
    return answer({"id": entity, "operation": operation}, 202) if result is None else answer(result)


@route(
    "DELETE",
    "/entities/{entity}",
    Role.ADMIN,
    tag=_TAG,
    pieces=[ENTITY],
    query=[REASON],
    answers={202: json_answer("It will be no more.", documents.Deleted)},
    problems={404: "there is none, and nobody who could have one", 409: "deployed by another release"},
    keyed=True,
)
async def delete(request: Request) -> Response:
    """Be no more, behind those who spoke before: 202."""
    query = Query(request)
    api, key = api_of(request), idempotency_key(request)
    entity = path_text(request, "entity")
    done = await api.call(api.client.delete_entity, entity, reason=query.text("reason"), request_key=key)
    return answer(done, 202)
