"""What operators do to instances beside letting them go on or end."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, idempotency_key, path_text, read_fields
from perdure.server.problems import Problem


class _Restart(msgspec.Struct):
    input: Any = msgspec.UNSET
    version: str | None = None
    id: str | None = None
    new_id: bool = False
    terminate: bool = False
    reason: str | None = None


class _Rewind(msgspec.Struct):
    reason: str | None = None


class _Fork(msgspec.Struct):
    step: str
    id: str | None = None
    version: str | None = None
    reason: str | None = None


class _Migrate(msgspec.Struct):
    version: str
    reason: str | None = None


class _Resolve(msgspec.Struct):
    output: Any = msgspec.UNSET
    error: dict[str, Any] | None = None
    reason: str | None = None


async def restart(request: Request) -> Response:
    """Do it all again, as the next generation or as a new instance."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, _Restart, api.settings.body_bytes, optional=True)
    outcome = await api.call(
        api.client.restart,
        path_text(request, "id"),
        ... if body.input is msgspec.UNSET else body.input,
        version=body.version,
        id=body.id,
        new_id=body.new_id,
        terminate=body.terminate,
        reason=body.reason,
        request_key=key,
    )
    return answer(outcome, 202)


async def rewind(request: Request) -> Response:
    """Go on as if what failed had not happened; with ``dry_run``, say where it would."""
    query = Query(request, ("dry_run",))
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, _Rewind, api.settings.body_bytes, optional=True)
    outcome = await api.call(
        api.client.rewind,
        path_text(request, "id"),
        body.reason,
        dry_run=query.flag("dry_run"),
        request_key=key,
    )
    return answer(outcome, 202 if outcome["changed"] else 200)


async def fork(request: Request) -> Response:
    """Start another instance with the past of this one before a step."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, _Fork, api.settings.body_bytes)
    outcome = await api.call(
        api.client.fork,
        path_text(request, "id"),
        body.step,
        id=body.id,
        version=body.version,
        reason=body.reason,
        request_key=key,
    )
    return answer(outcome, 202)


async def migrate(request: Request) -> Response:
    """Go on with another version, if it replays the history; with ``dry_run``, say whether it would."""
    query = Query(request, ("dry_run",))
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, _Migrate, api.settings.body_bytes)
    outcome = await api.call(
        api.client.migrate,
        path_text(request, "id"),
        body.version,
        body.reason,
        dry_run=query.flag("dry_run"),
        request_key=key,
    )
    return answer(outcome, 202 if outcome["changed"] else 200)


async def resolve(request: Request) -> Response:
    """End what a step waits for: with an ``output``, or with an ``error``."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, _Resolve, api.settings.body_bytes)
    if (body.output is msgspec.UNSET) == (body.error is None):
        raise Problem(422, "invalid_body", "The body has either an output or an error.")
    outcome = await api.call(
        api.client.resolve,
        path_text(request, "id"),
        path_text(request, "step"),
        None if body.output is msgspec.UNSET else body.output,
        error=body.error,
        reason=body.reason,
        request_key=key,
    )
    return answer(outcome, 202)
