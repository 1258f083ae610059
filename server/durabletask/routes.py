"""Every route, under both prefixes."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.routing import Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from perdure.server.durabletask import binding, entities, instances
from perdure.server.durabletask.answers import Endpoint, answering, empty
from perdure.server.durabletask.parameters import PUBLIC, RPC


class _Route(Route):
    """A path whose words have no case, with or without a slash at its end. Another method is another path."""

    def __init__(self, method: str, path: str, endpoint: Endpoint) -> None:
        super().__init__(path, answering(endpoint), methods=[method])
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + "/?$", re.IGNORECASE)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (match, child) if match is Match.FULL else (Match.NONE, {})


_ROUTES = [
    _Route("POST", "/orchestrators/{name}", instances.start),
    _Route("POST", "/orchestrators/{name}/{id}", instances.start),
    _Route("GET", "/instances", instances.list_instances),
    _Route("DELETE", "/instances", instances.purge_many),
    _Route("GET", "/instances/{id}", instances.show),
    _Route("DELETE", "/instances/{id}", instances.purge),
    _Route("POST", "/instances/{id}/raiseEvent/{event}", instances.raise_event),
    _Route("POST", "/instances/{id}/terminate", instances.terminate),
    _Route("POST", "/instances/{id}/suspend", instances.suspend),
    _Route("POST", "/instances/{id}/resume", instances.resume),
    _Route("POST", "/instances/{id}/rewind", instances.rewind),
    _Route("POST", "/instances/{id}/restart", instances.restart),
    _Route("GET", "/entities", entities.list_entities),
    _Route("GET", "/entities/{name}", entities.list_entities),
    _Route("GET", "/entities/{name}/{key}", entities.show),
    _Route("POST", "/entities/{name}/{key}", entities.signal),
    _Route("DELETE", "/entities/{name}/{key}", entities.delete),
    _Route("GET", "/binding", binding.show),
]


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What is not there has no body, and neither has a method that a path does not know."""
    answer: Response = empty(404)
    await answer(scope, receive, send)


def mounts() -> list[Mount]:
    """Both prefixes."""
    router = Router(_ROUTES, redirect_slashes=False, default=_nothing)
    return [Mount(PUBLIC, router), Mount(RPC, router)]


def all_routes() -> list[tuple[str, str]]:
    """Method and path of each, under both prefixes, for tests that walk them."""
    return [
        (method, prefix + route.path)
        for prefix in (PUBLIC, RPC)
        for route in _ROUTES
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
