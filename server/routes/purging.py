"""Purge: what has ended goes for good."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from perdure.engine.access import Role
from perdure.engine.cursors import MAX_LIMIT
from perdure.server import documents
from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.operation import Parameter, json_answer, route
from perdure.server.parameters import (
    CURSOR,
    DRY_RUN,
    DURATION,
    ENDED_STATUS,
    FLAG,
    INSTANCE,
    REASON,
    TAG,
    TIME,
    WORKFLOW,
    Q,
    limit,
)
from perdure.server.payloads import Query, path_text, read_tags

LIMIT = 100

_TAG = "Instances"


@route(
    "DELETE",
    "/instances/{id}",
    Role.ADMIN,
    tag=_TAG,
    pieces=[INSTANCE],
    query=[
        Parameter(name="leave_running", text="Let a child that has not ended go on alone.", schema=FLAG),
        REASON,
    ],
    answers={200: json_answer("What was deleted.", documents.Purged)},
    problems={404: "there is no such instance", 409: "it has not ended, or a child of it"},
)
async def purge(request: Request) -> Response:
    """One instance with its descendants; the answer counts rows by table."""
    query = Query(request)
    api, instance_id = api_of(request), path_text(request, "id")
    done = await api.call(
        api.client.purge,
        instance_id,
        leave_running=query.flag("leave_running"),
        reason=query.text("reason"),
    )
    return answer(done)


@route(
    "DELETE",
    "/instances",
    Role.ADMIN,
    tag=_TAG,
    query=[
        Q,
        ENDED_STATUS,
        WORKFLOW,
        TAG,
        Parameter(name="ended_from", text="Ended then or later.", schema=TIME),
        Parameter(name="ended_before", text="Ended before.", schema=TIME),
        Parameter(name="older_than", text="Ended so long ago.", schema=DURATION),
        DRY_RUN,
        REASON,
        limit(LIMIT),
        CURSOR,
    ],
    answers={200: json_answer("What was deleted, or would be.", documents.Purged)},
)
async def purge_many(request: Request) -> Response:
    """A slice of those that match; ``next`` is the cursor of the next one."""
    query = Query(request)
    api = api_of(request)
    done = await api.call(
        api.client.purge_many,
        query=query.text("q"),
        statuses=query.all("status"),
        name=query.text("name"),
        tags=read_tags(query),
        ended_from=query.text("ended_from"),
        ended_before=query.text("ended_before"),
        older_than=query.seconds("older_than", math.inf),
        dry_run=query.flag("dry_run"),
        reason=query.text("reason"),
        limit=query.count("limit", LIMIT, 1, MAX_LIMIT),
        cursor=query.text("cursor"),
    )
    return answer(done)
