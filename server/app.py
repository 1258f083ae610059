"""The application: the routes of all nouns, and what is around them."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware

from perdure.engine.client import Client
from perdure.engine.worker import Worker
from perdure.server.api import PREFIX, Api
from perdure.server.durabletask.routes import mounts
from perdure.server.guards import Guard
from perdure.server.near import near_path
from perdure.server.openapi import openapi
from perdure.server.operation import Path, operations_in, paths
from perdure.server.problems import HANDLERS
from perdure.server.routes import (
    acts,
    bulk,
    definitions,
    description,
    entities,
    health,
    instances,
    keys,
    operations,
    purging,
    queues,
    schedules,
    streams,
    tokens,
)
from perdure.server.settings import Settings

OPERATIONS = operations_in(
    [
        definitions,
        instances,
        streams,
        acts,
        bulk,
        purging,
        tokens,
        entities,
        schedules,
        operations,
        queues,
        keys,
        health,
        description,
    ]
)
ROUTES = paths(OPERATIONS)
_ASKED_MOST = ("/instances", "/instances/{id}", "/instances/{id}/events/{name}")
_SOONEST = sorted(ROUTES, key=lambda each: each.path not in _ASKED_MOST)
"""Those that are asked for most come first: a route is found by trying one after the other."""
_IN_API = [Path(PREFIX + each.path, each.operations.values()) for each in _SOONEST]
_AT_ROOT = paths([health.livez, health.readyz, description.show])


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    return openapi(OPERATIONS)


def create_app(client: Client, worker: Worker | None, settings: Settings | None = None) -> Starlette:
    """The ASGI application of a hub.

    ``worker`` is the one that runs in this process, if there is one: waits end the moment it ends an
    instance, and ``/readyz`` fails when it has died. Whoever calls this starts and stops it.
    """
    api = Api(client, worker, settings or Settings())
    app = Starlette(
        routes=[*_IN_API, *_AT_ROOT, *mounts()],
        middleware=[Middleware(Guard, any_host=api.settings.any_host)],
        exception_handlers=dict(HANDLERS),
    )
    app.router.redirect_slashes = False
    app.state.api = api
    app.state.openapi = document
    app.state.near = partial(near_path, known=[each.path for each in ROUTES], prefix=PREFIX)
    return app
