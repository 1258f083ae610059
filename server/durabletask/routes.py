"""Every route, under both prefixes."""

from __future__ import annotations

import re

from starlette.responses import Response
from starlette.routing import Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from perdure.server.access import Scoped, admin, operator, viewer
from perdure.server.durabletask import binding, entities, instances
from perdure.server.durabletask.answers import answering, empty
from perdure.server.durabletask.parameters import PUBLIC, RPC


class _Route(Route):
    """A path whose words have no case, with or without a slash at its end. Another method is another path."""

    def __init__(self, method: str, path: str, endpoint: Scoped) -> None:
        assert isinstance(endpoint, Scoped), f"{path} has no role"
        self.roles = {method: endpoint.role}
        super().__init__(path, answering(endpoint), methods=[method])
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + "/?$", re.IGNORECASE)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        child["shows_code"] = True
        return (match, child) if match is Match.FULL else (Match.NONE, {})


ROUTES = [
    _Route("POST", "/orchestrators/{name}", operator(instances.start)),
    _Route("POST", "/orchestrators/{name}/{id}", operator(instances.start)),
    _Route("GET", "/instances", viewer(instances.list_instances)),
    _Route("DELETE", "/instances", admin(instances.purge_many)),
    _Route("GET", "/instances/{id}", viewer(instances.show)),
    _Route("DELETE", "/instances/{id}", admin(instances.purge)),
    _Route("POST", "/instances/{id}/raiseEvent/{event}", operator(instances.raise_event)),
    _Route("POST", "/instances/{id}/terminate", operator(instances.terminate)),
    _Route("POST", "/instances/{id}/suspend", operator(instances.suspend)),
    _Route("POST", "/instances/{id}/resume", operator(instances.resume)),
    _Route("POST", "/instances/{id}/rewind", operator(instances.rewind)),
    _Route("POST", "/instances/{id}/restart", operator(instances.restart)),
    _Route("GET", "/entities", viewer(entities.list_entities)),
    _Route("GET", "/entities/{name}", viewer(entities.list_entities)),
    _Route("GET", "/entities/{name}/{key}", viewer(entities.show)),
    _Route("POST", "/entities/{name}/{key}", operator(entities.signal)),
    _Route("DELETE", "/entities/{name}/{key}", admin(entities.delete)),
    _Route("GET", "/binding", viewer(binding.show)),
]


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """What is not there has no body, and neither has a method that a path does not know."""
    answer: Response = empty(404)
    await answer(scope, receive, send)


def mounts() -> list[Mount]:
    """Both prefixes."""
    router = Router(ROUTES, redirect_slashes=False, default=_nothing)
    return [Mount(PUBLIC, router), Mount(RPC, router)]
