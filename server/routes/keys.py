"""Keys: make, list, revoke."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, path_text, read_fields, read_seconds


class _Key(msgspec.Struct):
    name: str
    role: str = "viewer"
    expires: str | None = None


async def create(request: Request) -> Response:
    """201 with the secret, which no later answer has."""
    Query(request)
    api = api_of(request)
    body = await read_fields(request, _Key, api.settings.body_bytes)
    expires = None if body.expires is None else read_seconds("expires", body.expires)
    made = await api.call(api.client.create_key, body.name, body.role, expires=expires)
    api.gate.forget()
    return answer(made, 201)


async def list_keys(request: Request) -> Response:
    """All that there have been."""
    Query(request)
    api = api_of(request)
    return answer({"items": await api.call(api.client.keys), "next": None})


async def revoke(request: Request) -> Response:
    """It counts no more, at once in this process, within a second in others."""
    Query(request)
    api = api_of(request)
    revoked = await api.call(api.client.revoke_key, path_text(request, "name"))
    api.gate.forget()
    return answer(revoked)
