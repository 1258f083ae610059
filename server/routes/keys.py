"""Keys: make, list, revoke."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.server import bodies, documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import json_answer, json_body, route
from perdure.server.parameters import piece
from perdure.server.payloads import Query, path_text, read_fields, read_seconds

_TAG = "Keys"


@route(
    "POST",
    "/keys",
    Role.ADMIN,
    tag=_TAG,
    body=json_body(bodies.NewKey),
    answers={201: json_answer("The key, with its secret.", documents.NewKey)},
    problems={409: "a name in use"},
)
async def create(request: Request) -> Response:
    """201 with the secret, which no later answer has."""
    Query(request)
    api = api_of(request)
    body = await read_fields(request, bodies.NewKey, api.settings.body_bytes)
    expires = None if body.expires is None else read_seconds("expires", body.expires)
    made = await api.call(api.client.create_key, body.name, body.role, expires=expires)
    api.gate.forget()
    return answer(made, 201)


@route("GET", "/keys", Role.ADMIN, tag=_TAG, answers={200: json_answer("Their rows.", documents.Keys)})
async def list_keys(request: Request) -> Response:
    """All that there have been."""
    Query(request)
    api = api_of(request)
    return answer({"items": await api.call(api.client.keys), "next": None})


@route(
    "DELETE",
    "/keys/{name}",
    Role.ADMIN,
    tag=_TAG,
    pieces=[piece("name", "The name of a key, or its id.")],
    answers={200: json_answer("The key.", documents.Key)},
    problems={404: "there is no such key"},
)
async def revoke(request: Request) -> Response:
    """It counts no more, at once in this process, within a second in others."""
    Query(request)
    api = api_of(request)
    revoked = await api.call(api.client.revoke_key, path_text(request, "name"))
    api.gate.forget()
    return answer(revoked)
