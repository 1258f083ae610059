"""The application: every route in one screen."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router

from perdure.engine.client import Client
from perdure.engine.worker import Worker
from perdure.server.access import Scoped, admin, anybody, operator, viewer
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
    keys,
    operations,
    purging,
    queues,
    schedules,
    tokens,
)
from perdure.server.settings import Settings


class _Path(Route):
    """One path with what answers each of its methods, so that a 405 names them all.

    Each says who may use it: deny by default.
    """

    def __init__(self, path: str, **endpoints: Scoped) -> None:
        assert all(isinstance(each, Scoped) for each in endpoints.values()), f"{path} has no roles"
        self.roles = {method: each.role for method, each in endpoints.items()}

        async def answer(request: Request) -> Response:
            return await endpoints["GET" if request.method == "HEAD" else request.method](request)

        super().__init__(path, answer, methods=list(endpoints))


_PROBES = [
    _Path("/livez", GET=anybody(health.livez)),
    _Path("/readyz", GET=anybody(health.readyz)),
]
# A token is a key to its activity, given to whoever is to complete it.
ROUTES = [
    _Path("/definitions", GET=viewer(definitions.list_definitions), POST=admin(definitions.deploy)),
    _Path("/definitions/{reference}", GET=viewer(definitions.show)),
    _Path("/definitions/{reference}/activate", POST=admin(definitions.activate)),
    _Path("/definitions/{reference}/retire", POST=admin(definitions.retire)),
    _Path("/definitions/{reference}/diff", GET=viewer(definitions.diff)),
    _Path(
        "/instances",
        GET=viewer(instances.list_instances),
        POST=operator(instances.start),
        DELETE=admin(purging.purge_many),
    ),
    _Path("/instances:batch", POST=operator(instances.start_batch)),
    _Path("/instances/{id}", GET=viewer(instances.show), DELETE=admin(purging.purge)),
    _Path("/instances/{id}/history", GET=viewer(instances.history)),
    _Path("/instances/{id}/payloads/{key}", GET=viewer(instances.payload)),
    _Path("/instances/{id}/explain", GET=viewer(instances.explain)),
    _Path("/instances/{id}/stats", GET=viewer(operations.stats)),
    _Path("/instances/{id}/queries/{name}", GET=viewer(instances.query)),
    _Path("/instances/{id}/events/{name}", POST=operator(instances.raise_event)),
    _Path("/events/{name}", POST=operator(instances.publish)),
    _Path("/instances/{id}/suspend", POST=operator(instances.suspend)),
    _Path("/instances/{id}/resume", POST=operator(instances.resume)),
    _Path("/instances/{id}/cancel", POST=operator(instances.cancel)),
    _Path("/instances/{id}/terminate", POST=operator(instances.terminate)),
    _Path("/instances/{id}/rewind", POST=operator(acts.rewind)),
    _Path("/instances/{id}/fork", POST=operator(acts.fork)),
    _Path("/instances/{id}/migrate", POST=admin(acts.migrate)),
    _Path("/instances/{id}/restart", POST=operator(acts.restart)),
    _Path("/instances/{id}/steps/{step}/resolve", POST=operator(acts.resolve)),
    _Path("/tokens/{token}/complete", POST=anybody(tokens.complete)),
    _Path("/tokens/{token}/fail", POST=anybody(tokens.fail)),
    _Path("/dead-letters", GET=viewer(operations.list_dead_letters)),
    _Path("/dead-letters/{number}", GET=viewer(operations.show_dead_letter)),
    _Path("/dead-letters/{number}/retry", POST=operator(operations.retry_dead_letter)),
    _Path("/dead-letters/{number}/discard", POST=admin(operations.discard_dead_letter)),
    _Path("/entities", GET=viewer(entities.list_entities)),
    _Path("/entities/{entity}", GET=viewer(entities.show), DELETE=admin(entities.delete)),
    _Path("/entities/{entity}/{operation}", POST=operator(entities.operate)),
    _Path("/schedules", GET=viewer(schedules.list_schedules)),
    _Path("/schedules/{id}", GET=viewer(schedules.show)),
    _Path("/schedules/{id}/pause", POST=operator(schedules.pause)),
    _Path("/schedules/{id}/resume", POST=operator(schedules.resume)),
    _Path("/schedules/{id}/backfill", POST=operator(schedules.backfill)),
    _Path("/schedules/{id}/trigger", POST=operator(schedules.trigger)),
    _Path("/audit", GET=admin(operations.list_audit)),
    _Path("/workers", GET=viewer(health.list_workers)),
    _Path("/queues", GET=viewer(queues.list_queues)),
    _Path("/queues/{name}", PUT=admin(queues.set_queue)),
    _Path("/keys", GET=admin(keys.list_keys), POST=admin(keys.create)),
    _Path("/keys/{name}", DELETE=admin(keys.revoke)),
    _Path("/version", GET=anybody(health.get_version)),
    *_PROBES,
]


def create_app(client: Client, worker: Worker | None, settings: Settings | None = None) -> Starlette:
    """The ASGI application of a hub.

    ``worker`` is the one that runs in this process, if there is one: waits end the moment it ends an
    instance, and ``/readyz`` fails when it has died. Whoever calls this starts and stops it.
    """
    api = Api(client, worker, settings or Settings())
    app = Starlette(
        routes=[*_PROBES, Mount(PREFIX, Router(ROUTES, redirect_slashes=False)), *mounts()],
        middleware=[Middleware(Guard, any_host=api.settings.any_host)],
        exception_handlers=dict(HANDLERS),
    )
    app.router.redirect_slashes = False
    app.state.api = api
    return app
