"""Streams of notices that something has changed."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.engine.instance import ENDED
from perdure.server.answers import HEADERS, encode_json
from perdure.server.api import api_of
from perdure.server.operation import Answer, route
from perdure.server.parameters import INSTANCE, Q
from perdure.server.payloads import Query, path_text
from perdure.server.streams import MEDIA_TYPE

_SEEN = "last-event-id"
_LIMIT = 100
_ANSWER = Answer(
    text="Events `changed`, whose data are JSON with a `version`; comments as signs of life.",
    content={MEDIA_TYPE: {}},
)


@route(
    "GET",
    "/instances/{id}/stream",
    Role.VIEWER,
    tag="Instances",
    pieces=[INSTANCE],
    answers={
        200: _ANSWER,
        204: Answer(text="It has ended, and the version in `Last-Event-ID` is the last one: come no more."),
    },
    problems={404: "there is no such instance"},
)
async def instance(request: Request) -> Response:
    """A notice when an instance has changed; the first one at once.

    With the header `Last-Event-ID` the first one comes when there is another version than that. A stream ends
    after the notice that the instance has ended. It also ends after a while, and when the server does: ask
    again. Browsers come back by themselves until they get a 204. Who rewinds, restarts or replaces what has
    ended asks again; `GET /stream?q=id:ID` does not end with the instance, and tells of that too.
    """
    Query(request)
    api, instance_id = api_of(request), path_text(request, "id")

    async def read() -> dict[str, Any]:
        return await api.call(api.client.version_of, instance_id)

    notice, seen = await read(), request.headers.get(_SEEN)
    if notice["status"] in ENDED and notice["version"] == seen:
        return Response(None, 204, HEADERS)
    return api.streams.response(instance_id, seen, read)


@route("GET", "/stream", Role.VIEWER, tag="Instances", query=[Q], answers={200: _ANSWER})
async def hub(request: Request) -> Response:
    """A notice when the newest 100 instances that a query finds have changed, or are others.

    `Last-Event-ID` and the end are as those of the stream of an instance.
    """
    api, text = api_of(request), Query(request).text("q")

    async def read() -> dict[str, Any]:
        page = await api.call(api.client.instances, query=text, limit=_LIMIT)
        return {"version": hashlib.sha256(encode_json(page["items"])).hexdigest()[:16]}

    await read()
    return api.streams.response(None, request.headers.get(_SEEN), read)
