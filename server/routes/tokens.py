"""Activities that are completed from outside, by whoever has their tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from perdure.server import bodies, documents
from perdure.server.access import Endpoint
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import ANYBODY, Operation, json_answer, json_body, route
from perdure.server.parameters import TOKEN
from perdure.server.payloads import Query, path_text, read_fields, read_json


def _says(path: str, kind: Any, *, required: bool) -> Callable[[Endpoint], Operation]:
    """A route for whoever has a token, which is a key to its activity: no other one is asked for."""
    return route(
        "POST",
        path,
        ANYBODY,
        tag="Tokens",
        pieces=[TOKEN],
        body=json_body(kind, required=required),
        answers={
            202: json_answer("It counts.", documents.Changed),
            200: json_answer("It was said before.", documents.Changed),
        },
        problems={404: "there is no such token", 409: "said otherwise before", 410: "nobody waits any more"},
    )


@_says("/tokens/{token}/complete", Any, required=False)
async def complete(request: Request) -> Response:
    """The body is the activity's result, no body is null. 200 when it was said before."""
    Query(request)
    api, token = api_of(request), path_text(request, "token")
    result = await read_json(request, api.settings.body_bytes, optional=True)
    return _answer(await api.call(api.client.complete_token, token, result))


@_says("/tokens/{token}/fail", bodies.Failure, required=True)
async def fail(request: Request) -> Response:
    """Let the activity fail with an error of this name."""
    Query(request)
    api, token = api_of(request), path_text(request, "token")
    body = await read_fields(request, bodies.Failure, api.settings.body_bytes)
    return _answer(
        await api.call(
            api.client.fail_token,
            token,
            body.error,
            body.message,
            data=body.data,
            retryable=body.retryable,
        )
    )


def _answer(outcome: dict[str, Any]) -> Response:
    return answer(outcome, 202 if outcome["changed"] else 200)
