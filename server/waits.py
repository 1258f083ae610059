"""Requests that wait for an instance to end, without a thread each.

A worker in this process says at once when it has changed an instance. Another process cannot, so every wait
also looks for itself, at intervals that grow: to a second where others take the turns, else to ten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from perdure.engine import clock
from perdure.engine.errors import Overloaded
from perdure.engine.instance import ENDED
from perdure.engine.worker import Worker

FIRST_LOOK_SECONDS = 0.02
LAST_LOOK_SECONDS = 1.0
OWNER_LOOK_SECONDS = 10.0


class Waits:
    """Everything that waits in this server, ``most`` at a time. Used from the event loop only."""

    def __init__(self, worker: Worker | None, most: int) -> None:
        self._worker = worker
        self._most = most
        self._waiting: set[asyncio.Event] = set()
        self._closed = False

    def close(self) -> None:
        """Every wait ends now, and so do later ones: the server shuts down."""
        self._closed = True
        for event in self._waiting:
            event.set()

    async def until_ended(
        self,
        instance_id: str,
        seconds: float,
        read: Callable[[], Awaitable[dict[str, Any]]],
        is_gone: Callable[[], Awaitable[bool]],
    ) -> dict[str, Any]:
        """The instance's document when it has ended, or as it is when so many seconds have passed.

        ``read`` gives the document. The wait is over early when the client ``is_gone``, or by ``close``.
        Raises ``Overloaded`` when too many wait.
        """
        if len(self._waiting) >= self._most:
            raise Overloaded("too many requests wait for an instance already", hint="ask without a wait")
        until = clock.monotonic() + seconds
        pause = FIRST_LOOK_SECONDS
        with self._woken_by(instance_id) as woken:
            while True:
                woken.clear()
                document = await read()
                left = until - clock.monotonic()
                if document["status"] in ENDED or left <= 0 or self._closed or await is_gone():
                    return document
                with anyio.move_on_after(min(pause, left)):
                    await woken.wait()
                pause = min(2 * pause, self._longest(instance_id))

    @contextmanager
    def looks(self, instance_id: str | None) -> Iterator[Callable[[float], Awaitable[bool]]]:
        """Says when to look again: called with seconds, it is false once the server shuts down.

        It returns when the worker of this process has changed the instance, or a second has passed where
        nobody tells; and after so many seconds in any case.
        """
        with self._woken_by(instance_id) as woken:

            async def next_look(seconds: float) -> bool:
                if not self._closed:
                    # A slot may have moved meanwhile.
                    longest = LAST_LOOK_SECONDS if instance_id is None else self._longest(instance_id)
                    with anyio.move_on_after(max(min(seconds, longest), 0)):
                        await woken.wait()
                    woken.clear()
                return not self._closed

            yield next_look

    def _longest(self, instance_id: str) -> float:
        is_told = self._worker is not None and self._worker.owns(instance_id)
        return OWNER_LOOK_SECONDS if is_told else LAST_LOOK_SECONDS

    @contextmanager
    def _woken_by(self, instance_id: str | None) -> Iterator[asyncio.Event]:
        """An event that is set when the worker has changed the instance, and by ``close``."""
        woken, loop = asyncio.Event(), asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        undo = None
        if self._worker is not None and instance_id is not None:
            undo = self._worker.watch(instance_id, wake)
        self._waiting.add(woken)
        try:
            yield woken
        finally:
            self._waiting.discard(woken)
            if undo is not None:
                undo()
