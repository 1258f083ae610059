"""Answers as Durable Functions gives them. Every body is empty or JSON: its clients parse each one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from perdure.engine.errors import Ended, NotFound, PerdureError
from perdure.server.answers import HEADERS, encode_json
from perdure.server.problems import RETRY_SECONDS, Problem, status_of

MEDIA_TYPE = "application/json; charset=utf-8"
BAD_ARGUMENT = "One or more of the arguments submitted is incorrect"
WENT_WRONG = "Something went wrong while processing your request"
BAD_JSON = "Invalid JSON content"
_log = logging.getLogger("perdure.server")

Endpoint = Callable[[Request], Awaitable[Response]]


def value_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON value."""
    return Response(encode_json(document), status, {**HEADERS, **(headers or {}), "content-type": MEDIA_TYPE})


def empty(status: int) -> Response:
    """No body."""
    return Response(None, status, HEADERS)


def refusal(status: int, message: str, exception: str | None = None, *, ours: bool = False) -> Response:
    """What is wrong. With an ``exception`` there is one behind it, whose text the Python client shows.

    ``ours`` says that the request is right, and cannot be carried out.
    """
    kind = "System.InvalidOperationException" if ours else "System.ArgumentException"
    document = {"Message": message}
    if exception is not None:
        document |= {"ExceptionMessage": exception, "ExceptionType": kind, "StackTrace": ""}
    return value_answer(document, status)


def answering(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its errors as the clients expect them: 404 and 410 are empty."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotFound:
            return empty(404)
        except Ended:
            return empty(410)
        except Problem as problem:
            return _refused(problem)
        except ClientDisconnect:
            return empty(400)
        except PerdureError as error:
            return _failed(request, error)

    return answer


def _refused(problem: Problem) -> Response:
    if problem.code == "bad_json":
        return refusal(400, BAD_JSON, str(problem))
    answer = refusal(problem.status if problem.status != 422 else 400, BAD_ARGUMENT, str(problem))
    answer.headers.update(problem.headers)
    return answer


def _failed(request: Request, error: PerdureError) -> Response:
    status = status_of(error)
    if status < 500:
        answer = refusal(400 if status == 422 else status, BAD_ARGUMENT, str(error))
        if status == 429:
            answer.headers["retry-after"] = str(RETRY_SECONDS)
        return answer
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    # Its text speaks of the inside.
    answer = refusal(status, WENT_WRONG, f"The server's log has more ({error.code}).", ours=True)
    if status == 503:
        answer.headers["retry-after"] = str(RETRY_SECONDS)
    return answer
