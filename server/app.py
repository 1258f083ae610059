"""The application: every route in one screen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from perdure.engine.client import Client
from perdure.engine.worker import Worker
from perdure.server.api import PREFIX, Api
from perdure.server.durabletask.routes import mounts
from perdure.server.guards import Guard
from perdure.server.problems import HANDLERS
from perdure.server.routes import (
    acts,
    definitions,
    entities,
    health,
    instances,
    operations,
    purging,
    queues,
    schedules,
    tokens,
)
from perdure.server.settings import Settings

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def _route(path: str, **endpoints: Endpoint) -> Route:
    """One path with what answers each of its methods, so that a 405 names them all."""

    async def answer(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, answer, methods=list(endpoints))


_PROBES = [
    _route("/livez", GET=health.livez),
    _route("/readyz", GET=health.readyz),
]
_ROUTES = [
    _route("/definitions", GET=definitions.list_definitions, POST=definitions.deploy),
    _route("/definitions/{reference}", GET=definitions.show),
    _route("/definitions/{reference}/activate", POST=definitions.activate),
    _route("/definitions/{reference}/retire", POST=definitions.retire),
    _route("/definitions/{reference}/diff", GET=definitions.diff),
    _route("/instances", GET=instances.list_instances, POST=instances.start, DELETE=purging.purge_many),
    _route("/instances/{id}", GET=instances.show, DELETE=purging.purge),
    _route("/instances/{id}/history", GET=instances.history),
    _route("/instances/{id}/payloads/{key}", GET=instances.payload),
    _route("/instances/{id}/explain", GET=instances.explain),
    _route("/instances/{id}/stats", GET=operations.stats),
    _route("/instances/{id}/queries/{name}", GET=instances.query),
    _route("/instances/{id}/events/{name}", POST=instances.raise_event),
    _route("/events/{name}", POST=instances.publish),
    _route("/instances/{id}/suspend", POST=instances.suspend),
    _route("/instances/{id}/resume", POST=instances.resume),
    _route("/instances/{id}/cancel", POST=instances.cancel),
    _route("/instances/{id}/terminate", POST=instances.terminate),
    _route("/instances/{id}/rewind", POST=acts.rewind),
    _route("/instances/{id}/fork", POST=acts.fork),
    _route("/instances/{id}/migrate", POST=acts.migrate),
    _route("/instances/{id}/restart", POST=acts.restart),
    _route("/instances/{id}/steps/{step}/resolve", POST=acts.resolve),
    _route("/tokens/{token}/complete", POST=tokens.complete),
    _route("/tokens/{token}/fail", POST=tokens.fail),
    _route("/dead-letters", GET=operations.list_dead_letters),
    _route("/dead-letters/{number}", GET=operations.show_dead_letter),
    _route("/dead-letters/{number}/retry", POST=operations.retry_dead_letter),
    _route("/dead-letters/{number}/discard", POST=operations.discard_dead_letter),
    _route("/entities", GET=entities.list_entities),
    _route("/entities/{entity}", GET=entities.show, DELETE=entities.delete),
    _route("/entities/{entity}/{operation}", POST=entities.operate),
    _route("/schedules", GET=schedules.list_schedules),
    _route("/schedules/{id}", GET=schedules.show),
    _route("/schedules/{id}/pause", POST=schedules.pause),
    _route("/schedules/{id}/resume", POST=schedules.resume),
    _route("/schedules/{id}/backfill", POST=schedules.backfill),
    _route("/schedules/{id}/trigger", POST=schedules.trigger),
    _route("/audit", GET=operations.list_audit),
    _route("/workers", GET=health.list_workers),
    _route("/queues", GET=queues.list_queues),
    _route("/queues/{name}", PUT=queues.set_queue),
    _route("/version", GET=health.get_version),
    *_PROBES,
]


def create_app(client: Client, worker: Worker | None, settings: Settings | None = None) -> Starlette:
    """The ASGI application of a hub.

    ``worker`` is the one that runs in this process, if there is one: waits end the moment it ends an
    instance, and ``/readyz`` fails when it has died. Whoever calls this starts and stops it.
    """
    api = Api(client, worker, settings or Settings())
    app = Starlette(
        routes=[*_PROBES, Mount(PREFIX, Router(_ROUTES, redirect_slashes=False)), *mounts()],
        middleware=[Middleware(Guard)],
        exception_handlers=dict(HANDLERS),
    )
    app.router.redirect_slashes = False
    app.state.api = api
    return app
