"""Schedules: what starts workflows by the calendar."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.server import bodies, documents
from perdure.server.access import Endpoint
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import Operation, json_answer, json_body, route
from perdure.server.parameters import SCHEDULE, TO_INSTANCE
from perdure.server.payloads import Query, idempotency_key, path_text, read_fields, without_body

_TAG = "Schedules"
_UNKNOWN = {404: "there is no such schedule"}


def _changes(path: str) -> Callable[[Endpoint], Operation]:
    """A route that lets a schedule go on or not."""
    return route(
        "POST",
        path,
        Role.OPERATOR,
        tag=_TAG,
        pieces=[SCHEDULE],
        body=json_body(bodies.Nothing, required=False),
        answers={200: json_answer("It is so.", documents.Changed)},
        problems=_UNKNOWN,
    )


@route(
    "GET",
    "/schedules",
    Role.VIEWER,
    tag=_TAG,
    answers={200: json_answer("All of them.", documents.Schedules)},
)
async def list_schedules(request: Request) -> Response:
    """All schedules."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.schedules))


@route(
    "GET",
    "/schedules/{id}",
    Role.VIEWER,
    tag=_TAG,
    pieces=[SCHEDULE],
    answers={200: json_answer("The schedule.", documents.ScheduleShown)},
    problems=_UNKNOWN,
)
async def show(request: Request) -> Response:
    """A schedule with its last outcomes."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.schedule, path_text(request, "id")))


@_changes("/schedules/{id}/pause")
async def pause(request: Request) -> Response:
    """Start nothing by it until it is resumed."""
    await without_body(request)
    api = api_of(request)
    return answer(await api.call(api.client.pause_schedule, path_text(request, "id")))


@_changes("/schedules/{id}/resume")
async def resume(request: Request) -> Response:
    """Let it go on from now."""
    await without_body(request)
    api = api_of(request)
    return answer(await api.call(api.client.resume_schedule, path_text(request, "id")))


@route(
    "POST",
    "/schedules/{id}/backfill",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[SCHEDULE],
    body=json_body(bodies.Times),
    answers={202: json_answer("It is done soon.", documents.Changed)},
    problems={**_UNKNOWN, 409: "as many ranges as may be are being filled in already"},
)
async def backfill(request: Request) -> Response:
    """Start what was due in a range: 202, it is done soon."""
    Query(request)
    api = api_of(request)
    idempotency_key(request)
    fields = await read_fields(request, bodies.Times, api.settings.body_bytes)
    name = path_text(request, "id")
    return answer(await api.call(api.client.backfill_schedule, name, fields.begin, fields.end), 202)


@route(
    "POST",
    "/schedules/{id}/trigger",
    Role.OPERATOR,
    tag=_TAG,
    pieces=[SCHEDULE],
    body=json_body(bodies.Nothing, required=False),
    answers={201: json_answer("The instance.", documents.Instance, leads_to=TO_INSTANCE)},
    problems={**_UNKNOWN, 409: "that of this second has started already"},
    keyed=True,
)
async def trigger(request: Request) -> Response:
    """Start an occurrence of this moment: 201 with the instance."""
    key = await without_body(request)
    api = api_of(request)
    name = path_text(request, "id")
    return answer(await api.call(api.client.trigger_schedule, name, request_key=key), 201)
