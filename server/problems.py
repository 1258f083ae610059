"""Errors as answers: RFC 9457 problem documents with a stable ``code``, never a traceback."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from perdure.engine.compatibility import BreakingChange
from perdure.engine.errors import (
    Busy,
    Conflict,
    Ended,
    FenceLost,
    LimitExceeded,
    NotFound,
    OperationFailed,
    OutcomeUnknown,
    Overloaded,
    PerdureError,
    Unfit,
    UserError,
)
from perdure.engine.replay_check import WouldDiverge
from perdure.server.answers import HEADERS, encode_json
from perdure.server.deployments import InvalidDocument, OtherContent, diagnostics_document

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
"""What a client is told to wait when the database is out of reach for a moment."""

STATUSES: Mapping[type[PerdureError], int] = MappingProxyType(
    {
        PerdureError: 500,
        UserError: 422,
        NotFound: 404,
        Conflict: 409,
        Ended: 410,
        LimitExceeded: 422,
        FenceLost: 503,
        OutcomeUnknown: 503,
        Busy: 503,
        Unfit: 422,
        Overloaded: 429,
    }
)
"""The status of each kind of error; one that is not named has that of its nearest ancestor."""

_ROUTING = {404: "no_such_route", 405: "method_not_allowed"}
_INTERNAL = "Something went wrong inside; the server's log has it."
_log = logging.getLogger("perdure.server")


class Problem(Exception):
    """A request that the server itself refuses; ``members`` are added to its document."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.hint = hint
        self.headers = headers or {}
        self.members = members or {}


def problem_response(problem: Problem, **members: Any) -> Response:
    """The answer that says what is wrong; ``members`` are added to the document."""
    document: dict[str, Any] = {
        "type": f"urn:perdure:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    if problem.hint:
        document["hint"] = problem.hint
    body = encode_json({**document, **problem.members, **members})
    return Response(body, problem.status, {**HEADERS, **problem.headers}, MEDIA_TYPE)


def problem_row(error: Exception) -> dict[str, Any]:
    """What is wrong with one of many, as a part of an answer; what nobody expected is logged."""
    if not isinstance(error, PerdureError):
        _log.error("one of many failed", exc_info=error)
        return {"status": 500, "code": "internal", "detail": _INTERNAL}
    status = status_of(error)
    # The text of ours that went wrong inside speaks of the inside.
    detail = str(error) if status < 500 else inspect.cleandoc(type(error).__doc__ or "").partition("\n")[0]
    row = {"status": status, "code": error.code, "detail": detail}
    return row if error.hint is None else {**row, "hint": error.hint}


def status_of(error: PerdureError) -> int:
    """The HTTP status of an engine error."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


def _on_engine_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PerdureError)
    status = status_of(error)
    if status < 500:
        members: dict[str, Any] = {}
        if isinstance(error, InvalidDocument):
            members["diagnostics"] = diagnostics_document(error.diagnostics)
        elif isinstance(error, OtherContent):
            members["changes"] = error.changes
        elif isinstance(error, BreakingChange):
            members["breaks"] = error.breaks
        elif isinstance(error, WouldDiverge):
            members["diverging"] = error.diverging
        elif isinstance(error, OperationFailed):
            members["error"] = error.error
        headers = {"retry-after": str(RETRY_SECONDS)} if status == 429 else {}
        problem = Problem(status, error.code, str(error), hint=error.hint, headers=headers)
        return problem_response(problem, **members)
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    headers = {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    # Its text speaks of the inside; a client learns the kind of the error only.
    kind = inspect.cleandoc(type(error).__doc__ or "").partition("\n")[0]
    return problem_response(Problem(status, error.code, kind, headers=headers))


def _on_routing_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _ROUTING.get(error.status_code, "http")
    path = f"{request.method} {request.url.path}"
    details = {404: f"There is nothing at {path}.", 405: f"{path} does not exist; the path does."}
    hint = _near(request) if error.status_code == 404 else None
    detail = details.get(error.status_code, error.detail)
    return problem_response(Problem(error.status_code, code, detail, hint=hint, headers=error.headers))


def _near(request: Request) -> str:
    listed = "all routes are in /openapi.json and docs/http-api.md"
    near = request.app.state.near(request.url.path)
    return listed if near is None else f"did you mean {near}? Otherwise {listed}"


def _on_disconnect(request: Request, error: Exception) -> Response:
    return problem_response(Problem(400, "disconnected", "The client left before the body was complete."))


def _on_crash(request: Request, error: Exception) -> Response:
    # Starlette raises it again after the answer, so the HTTP server logs it with its traceback.
    return problem_response(Problem(500, "internal", _INTERNAL))


HANDLERS: Mapping[Any, ExceptionHandler] = MappingProxyType(
    {
        Problem: _on_problem,
        PerdureError: _on_engine_error,
        HTTPException: _on_routing_error,
        ClientDisconnect: _on_disconnect,
        Exception: _on_crash,
    }
)
"""For Starlette: every error has its answer."""
