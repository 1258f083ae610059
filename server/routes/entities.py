"""Entities: look, call, signal, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, idempotency_key, invalid_parameter, path_text, read_json

MAX_LIMIT = 1_000
LIMIT = 50
WAIT_SECONDS = 30.0
"""How long a call is waited for that does not say so itself."""


async def list_entities(request: Request) -> Response:
    """A page of those that have a state, by type and key."""
    query = Query(request, ("name", "key", "updated_from", "updated_to", "limit", "cursor"))
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


async def show(request: Request) -> Response:
    """The state of one, as it is committed."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.entity, path_text(request, "entity")))


async def operate(request: Request) -> Response:
    """The body is the operation's input, no body is null.

    A signal is 202; with ``call`` the answer is 200 with the result, or 202 when ``wait`` has passed.
    """
    query = Query(request, ("call", "wait", "at"))
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


async def delete(request: Request) -> Response:
    """Be no more, behind those who spoke before: 202."""
    query = Query(request, ("reason",))
    api, key = api_of(request), idempotency_key(request)
    entity = path_text(request, "entity")
    done = await api.call(api.client.delete_entity, entity, reason=query.text("reason"), request_key=key)
    return answer(done, 202)
