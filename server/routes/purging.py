"""Purge: what has ended goes for good."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import Response

from perdure.server.answers import answer
from perdure.server.api import api_of
from perdure.server.payloads import Query, path_text, read_tags

MAX_LIMIT = 1_000
LIMIT = 100


async def purge(request: Request) -> Response:
    """One instance with its descendants; the answer counts rows by table."""
    query = Query(request, ("leave_running", "reason"))
    api, instance_id = api_of(request), path_text(request, "id")
    done = await api.call(
        api.client.purge,
        instance_id,
        leave_running=query.flag("leave_running"),
        reason=query.text("reason"),
    )
    return answer(done)


async def purge_many(request: Request) -> Response:
    """A slice of those that match; ``next`` is the cursor of the next one."""
    query = Query(
        request,
        (
            "status",
            "name",
            "tag",
            "ended_from",
            "ended_before",
            "older_than",
            "dry_run",
            "reason",
            "limit",
            "cursor",
        ),
        later=("q",),
    )
    api = api_of(request)
    done = await api.call(
        api.client.purge_many,
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
