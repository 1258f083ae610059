"""What operators do to instances beside letting them go on or end."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.server import bodies, documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import json_answer, json_body, route
from perdure.server.parameters import DRY_RUN, INSTANCE, STEP, TO_INSTANCE
from perdure.server.payloads import Query, idempotency_key, path_text, read_fields
from perdure.server.problems import Problem

_TAG = "Instances"
_UNKNOWN = "there is no such instance"


@route(
    "POST",
    "/instances/{id}/restart",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[INSTANCE],
    body=json_body(bodies.Restart, required=False),
    answers={202: json_answer("It will begin again.", documents.Acted)},
    problems={404: _UNKNOWN, 409: "it has not ended, or the new id is in use", 410: "it has ended meanwhile"},
    keyed=True,
)
async def restart(request: Request) -> Response:
    """Do it all again, as the next generation or as a new instance."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, bodies.Restart, api.settings.body_bytes, optional=True)
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


@route(
    "POST",
    "/instances/{id}/rewind",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[INSTANCE],
    query=[DRY_RUN],
    body=json_body(bodies.Why, required=False),
    answers={
        202: json_answer("It will go on.", documents.Rewound),
        200: json_answer("It would go on.", documents.Rewound),
    },
    problems={404: _UNKNOWN, 409: "it has not ended, or cannot go on"},
    keyed=True,
)
async def rewind(request: Request) -> Response:
    """Go on as if what failed had not happened; with ``dry_run``, say where it would."""
    query = Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, bodies.Why, api.settings.body_bytes, optional=True)
    outcome = await api.call(
        api.client.rewind,
        path_text(request, "id"),
        body.reason,
        dry_run=query.flag("dry_run"),
        request_key=key,
    )
    return answer(outcome, 202 if outcome["changed"] else 200)


@route(
    "POST",
    "/instances/{id}/fork",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[INSTANCE],
    body=json_body(bodies.Fork),
    answers={202: json_answer("The new instance.", documents.Acted, leads_to=TO_INSTANCE)},
    problems={404: _UNKNOWN, 409: "an id in use, or the version does not agree with the past"},
    keyed=True,
)
async def fork(request: Request) -> Response:
    """Start another instance with the past of this one before a step."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, bodies.Fork, api.settings.body_bytes)
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


@route(
    "POST",
    "/instances/{id}/migrate",
    Role.ADMIN,
    tag=_TAG,
    pieces=[INSTANCE],
    query=[DRY_RUN],
    body=json_body(bodies.Migrate),
    answers={
        202: json_answer("It will go on with the version.", documents.Migrated),
        200: json_answer("It would, or does already.", documents.Migrated),
    },
    problems={404: _UNKNOWN, 409: "the version does not replay its history", 410: "it has ended"},
    keyed=True,
)
async def migrate(request: Request) -> Response:
    """Go on with another version, if it replays the history; with ``dry_run``, say whether it would."""
    query = Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, bodies.Migrate, api.settings.body_bytes)
    outcome = await api.call(
        api.client.migrate,
        path_text(request, "id"),
        body.version,
        body.reason,
        dry_run=query.flag("dry_run"),
        request_key=key,
    )
    return answer(outcome, 202 if outcome["changed"] else 200)


@route(
    "POST",
    "/instances/{id}/steps/{step}/resolve",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[INSTANCE, STEP],
    body=json_body(bodies.Resolve),
    answers={202: json_answer("The step will end so.", documents.Acted)},
    problems={404: _UNKNOWN, 409: "it does not wait at that step", 410: "it has ended"},
    keyed=True,
)
async def resolve(request: Request) -> Response:
    """End what a step waits for: with an ``output``, or with an ``error``."""
    Query(request)
    api, key = api_of(request), idempotency_key(request)
    body = await read_fields(request, bodies.Resolve, api.settings.body_bytes)
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
