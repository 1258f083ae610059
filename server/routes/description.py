"""The OpenAPI document, as the server answers it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.operation import ANYBODY, JSON, Answer, route
from perdure.server.payloads import Query


@route(
    "GET",
    "/openapi.json",
    ANYBODY,
    tag="Server",
    answers={200: Answer(text="OpenAPI 3.1.", content={JSON: {"type": "object"}})},
)
async def show(request: Request) -> Response:
    """This description of all routes."""
    Query(request)
    return answer(request.app.state.openapi())
