"""Whether requests should be sent here: asked of the database once for all who ask at a time."""

from __future__ import annotations

import asyncio

from anyio import CapacityLimiter, to_thread

from perdure.engine.client import Client
from perdure.engine.errors import PerdureError
from perdure.engine.instance import SLOTS
from perdure.engine.worker import Worker

PATIENCE = 5.0
"""Seconds in which the database has to answer."""


class Readiness:
    """What keeps this server from serving, in words. Used from the event loop only.

    The look has a thread of its own, so that it does not wait behind requests. A database that hangs keeps
    one thread, however often somebody asks.
    """

    def __init__(self, client: Client, worker: Worker | None) -> None:
        self.stopping = False
        """Whether the order to stop has come."""
        self._client = client
        self._worker = worker
        self._look: asyncio.Task[str | None] | None = None

    async def problem(self) -> str | None:
        """Why this server is not ready; None when it is."""
        if self.stopping:
            return "The server shuts down."
        if self._worker is not None and not self._worker.alive:
            return "The worker of this process has died; its log says why."
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._find())
        done, _ = await asyncio.wait({self._look}, timeout=PATIENCE)
        return self._look.result() if done else "The database does not answer in time."

    async def _find(self) -> str | None:
        try:
            slots = await to_thread.run_sync(self._owned_slots, limiter=CapacityLimiter(1))
        except PerdureError:
            return "The database does not answer."
        if self._worker is not None and slots < SLOTS:
            return f"Nobody takes turns of {SLOTS - slots} of the {SLOTS} slots of the hub yet."
        return None

    def _owned_slots(self) -> int:
        store = self._client.store
        owned = store.owned_slots()
        return sum(owned.get(each.id, 0) for each in store.workers())
