"""What every route works with: the engine's client, called in threads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import unquote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request

from perdure.engine.audit import valid_actor
from perdure.engine.client import Client
from perdure.engine.errors import Overloaded
from perdure.engine.starts import Start
from perdure.engine.store.rows import ApiKey, AuditEntry
from perdure.engine.telling import Raise
from perdure.engine.worker import Worker
from perdure.server.access import Gate
from perdure.server.denials import Denials
from perdure.server.groups import Groups
from perdure.server.held import Held
from perdure.server.oidc import Tokens
from perdure.server.rates import Rates
from perdure.server.readiness import Readiness
from perdure.server.settings import Settings
from perdure.server.streams import Streams
from perdure.server.waits import Waits

PREFIX = "/api/v1"
ACTOR = "perdure-actor"
"""The header that says on whose behalf a request is made: percent-encoded UTF-8."""
FOREIGN = 8
"""Tokens of a provider that are checked at a time; none of them keeps those waiting who have a key."""

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class Api:
    """One hub behind HTTP. ``worker`` is the one of this process, if there is one."""

    def __init__(self, client: Client, worker: Worker | None, settings: Settings) -> None:
        self.client = client
        self.worker = worker
        self.settings = settings
        self.waits = Waits(worker, settings.waits)
        self.streams = Streams(self.waits, settings)
        self.held = Held(settings.held_bytes)
        self.readiness = Readiness(client, worker)
        tokens = None if settings.provider is None else Tokens(settings.provider)
        self.gate = Gate(client, required=settings.require_keys, tokens=tokens)
        self._foreign = CapacityLimiter(FOREIGN)
        self.rates = Rates(settings.key_rate)
        self.denials = Denials(self._tell)
        self._threads = CapacityLimiter(settings.threads)
        self.keys = Groups(self.gate.check_each, settings.waiting)
        self._starts = Groups(client.start_each, settings.waiting)
        self._raises = Groups(client.raise_each, settings.waiting)
        self._reads = Groups(client.documents, settings.waiting)

    async def call(
        self,
        function: Callable[Arguments, Answer],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Answer:
        """The result of a function that blocks, run in a thread. Raises ``Overloaded`` when too many wait."""
        if self._threads.statistics().tasks_waiting >= self.settings.waiting:
            raise Overloaded("the server has too much to do", hint="ask again a little later")
        return await to_thread.run_sync(partial(function, *arguments, **options), limiter=self._threads)

    async def whose(self, token: str | None) -> ApiKey | None:
        """What ``Gate.check`` says, of many at once; a provider's tokens have threads of their own."""
        if not self.gate.is_foreign(token):
            return await self.keys.ask(token)
        if self._foreign.statistics().tasks_waiting >= self.settings.waiting:
            raise Overloaded("the server has too much to do", hint="ask again a little later")
        return await to_thread.run_sync(self.gate.check, token, limiter=self._foreign)

    async def _tell(self, entries: Sequence[AuditEntry]) -> None:
        await self.call(self.client.store.add_audit, entries)

    async def start(self, start: Start, key: str | None) -> dict[str, Any]:
        """What ``Client.start`` says; where this process owns all slots, of many requests at once."""
        if self.worker is not None and self.worker.owns_all_slots:
            return await self._starts.ask((start, key))
        return await self.call(self.client.start, **start._asdict(), request_key=key)

    async def raise_event(self, said: Raise) -> None:
        """What ``Client.raise_event`` does; where this process owns all slots, for many requests at once."""
        if self.worker is not None and self.worker.owns_all_slots:
            await self._raises.ask(said)
        else:
            await self.call(self.client.raise_event, *said[:3], request_key=said.request_key)

    async def instance(self, instance_id: str) -> dict[str, Any]:
        """What ``Client.instance`` says, of many requests at once."""
        return await self._reads.ask(instance_id)

    async def until_ended(self, request: Request, instance_id: str, seconds: float) -> dict[str, Any]:
        """An instance once it has ended, or as it is after so long, or when the client has left."""

        async def read() -> dict[str, Any]:
            return await self.instance(instance_id)

        return await self.waits.until_ended(instance_id, seconds, read, request.is_disconnected)


def api_of(request: Request) -> Api:
    """The server's state, from any of its requests; its client acts for whose key it is.

    A request may name somebody on whose behalf it is made. Raises ``UserError`` for a name that is none.
    """
    api: Api = request.app.state.api
    key, named = getattr(request.state, "key", None), request.headers.get(ACTOR)
    actor = None if named is None else unquote(named)
    if key is not None:
        actor = key.name if actor is None else f"{key.name} for {valid_actor(actor)}"
    if actor is None:
        return api
    mine = copy.copy(api)
    mine.client = api.client.acting(actor)
    return mine
