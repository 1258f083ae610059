"""Named queues: who serves them, and how fast they are handed out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.server import bodies, documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import json_answer, json_body, route
from perdure.server.parameters import QUEUE
from perdure.server.payloads import Query, path_text, read_fields

_TAG = "Fleet"


@route("GET", "/queues", Role.VIEWER, tag=_TAG, answers={200: json_answer("All of them.", documents.Queues)})
async def list_queues(request: Request) -> Response:
    """Every named queue that has a rate, is served or has tasks that wait."""
    Query(request)
    api = api_of(request)
    return answer({"items": await api.call(api.client.queues), "next": None})


@route(
    "PUT",
    "/queues/{name}",
    Role.ADMIN,
    tag=_TAG,
    pieces=[QUEUE],
    body=json_body(bodies.Rate),
    answers={200: json_answer("The queue.", documents.QueueSet)},
)
async def set_queue(request: Request) -> Response:
    """Give a queue a rate; null takes it away."""
    Query(request)
    api = api_of(request)
    body = await read_fields(request, bodies.Rate, api.settings.body_bytes)
    return answer(await api.call(api.client.set_queue, path_text(request, "name"), body.rate))
