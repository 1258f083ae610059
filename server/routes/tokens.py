"""Activities that are completed from outside, by whoever has their tokens."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, path_text, read_fields, read_json


class _Failure(msgspec.Struct):
    error: str
    message: str = ""
    data: Any = None
    retryable: bool = True


async def complete(request: Request) -> Response:
    """The body is the activity's result, no body is null. 200 when it was said before."""
    Query(request)
    api, token = api_of(request), path_text(request, "token")
    result = await read_json(request, api.settings.body_bytes, optional=True)
    return _answer(await api.call(api.client.complete_token, token, result))


async def fail(request: Request) -> Response:
    """Let the activity fail with an error of this name."""
    Query(request)
    api, token = api_of(request), path_text(request, "token")
    body = await read_fields(request, _Failure, api.settings.body_bytes)
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
