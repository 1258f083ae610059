"""Named queues: who serves them, and how fast they are handed out."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, path_text, read_fields


class _Settings(msgspec.Struct):
    rate: str | None


async def list_queues(request: Request) -> Response:
    """Every queue that has a rate or is served."""
    Query(request)
    api = api_of(request)
    return answer({"items": await api.call(api.client.queues), "next": None})


async def set_queue(request: Request) -> Response:
    """Give a queue a rate; null takes it away."""
    Query(request)
    api = api_of(request)
    body = await read_fields(request, _Settings, api.settings.body_bytes)
    return answer(await api.call(api.client.set_queue, path_text(request, "name"), body.rate))
