"""Schedules: what starts workflows by the calendar."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, idempotency_key, path_text, read_fields, without_body


class _Range(msgspec.Struct):
    """Times in RFC 3339."""

    begin: str
    end: str


async def list_schedules(request: Request) -> Response:
    """All schedules."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.schedules))


async def show(request: Request) -> Response:
    """A schedule with its last outcomes."""
    Query(request)
    api = api_of(request)
    return answer(await api.call(api.client.schedule, path_text(request, "id")))


async def pause(request: Request) -> Response:
    """Start nothing by it until it is resumed."""
    await without_body(request)
    api = api_of(request)
    return answer(await api.call(api.client.pause_schedule, path_text(request, "id")))


async def resume(request: Request) -> Response:
    """Let it go on from now."""
    await without_body(request)
    api = api_of(request)
    return answer(await api.call(api.client.resume_schedule, path_text(request, "id")))


async def backfill(request: Request) -> Response:
    """Start what was due in a range: 202, it is done soon."""
    Query(request)
    api = api_of(request)
    idempotency_key(request)
    fields = await read_fields(request, _Range, api.settings.body_bytes)
    name = path_text(request, "id")
    return answer(await api.call(api.client.backfill_schedule, name, fields.begin, fields.end), 202)


async def trigger(request: Request) -> Response:
    """Start an occurrence of this moment: 201 with the instance."""
    key = await without_body(request)
    api = api_of(request)
    name = path_text(request, "id")
    return answer(await api.call(api.client.trigger_schedule, name, request_key=key), 201)
