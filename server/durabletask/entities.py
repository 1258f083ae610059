"""Entities: read, list, signal, delete. Their names have no case here."""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.client import Client
from perdure.engine.errors import UserError
from perdure.server.api import api_of
from perdure.server.durabletask.answers import empty, value_answer
from perdure.server.durabletask.instances import CONTINUATION
from perdure.server.durabletask.parameters import Parameters, body_text, body_value, is_json
from perdure.server.payloads import idempotency_key, path_text

_log = logging.getLogger("perdure.server")


async def show(request: Request) -> Response:
    """The state as it is committed; 404 when there is none."""
    api = api_of(request)
    entity = await api.call(_entity, api.client, request)
    return value_answer((await api.call(api.client.entity, entity))["state"])


def _entity(client: Client, request: Request) -> str:
    """``Type@key``, with the type as it is deployed. The key ``$`` is none, and perdure has no empty keys."""
    name, key = path_text(request, "name"), path_text(request, "key")
    return f"{_type(client, name)}@{'' if key == '$' else key}"


def _type(client: Client, name: str) -> str:
    found = [each for each in client.entity_types() if each.lower() == name.lower()]
    return name if name in found or not found else found[0]


async def list_entities(request: Request) -> Response:
    """A page of those that have a state; of the type that the path names, if it does."""
    api, parameters = api_of(request), Parameters(request)
    with_state = parameters.flag("fetchState")

    def page() -> dict[str, Any]:
        name = path_text(request, "name") if "name" in request.path_params else None
        return api.client.entities(
            type=None if name is None else _type(api.client, name),
            updated_from=parameters.time("lastOperationTimeFrom"),
            updated_to=parameters.time("lastOperationTimeTo"),
            limit=parameters.page_size(),
            cursor=request.headers.get(CONTINUATION) or None,
        )

    found = await api.call(page)
    rows = [
        {
            "entityId": {"name": each["type"].lower(), "key": each["key"]},
            "lastOperationTime": each["updated_at"],
            "state": each["state"] if with_state else None,
        }
        for each in found["items"]
    ]
    return value_answer(rows, headers={CONTINUATION: found["next"] or ""})


async def signal(request: Request) -> Response:
    """202 in any case, as their clients expect. What no entity can hear is in the server's log."""
    api, key = api_of(request), idempotency_key(request)
    operation = Parameters(request).text("op") or ""
    if is_json(request):
        value = await body_value(request)
    else:
        value = await body_text(request) or None
    entity = await api.call(_entity, api.client, request)
    try:
        await api.call(api.client.signal_entity, entity, operation, value, request_key=key)
    except UserError as error:
        _log.warning("the signal %r to entity %r is not delivered: %s", operation, entity, error)
    return empty(202)


async def delete(request: Request) -> Response:
    """202; behind those who spoke before."""
    api, key = api_of(request), idempotency_key(request)
    entity = await api.call(_entity, api.client, request)
    await api.call(api.client.delete_entity, entity, request_key=key)
    return empty(202)
