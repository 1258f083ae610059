"""Calls of many requests that are made as one: a thread, a look at the database, a commit for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

from perdure.engine.errors import Overloaded

Question = TypeVar("Question")
Answer = TypeVar("Answer")

MOST = 64
"""Questions that are answered together: what comes meanwhile is the next group."""
AT_ONCE = 2
"""Groups that are under way, when a whole one waits: larger groups cost less than more of them."""
PATIENCE = 3
"""Rounds of the event loop without another question, after which a group begins: a request takes two."""


class Groups(Generic[Question, Answer]):
    """Questions, of which up to ``waiting`` may wait. ``function`` answers a list of them, each on its own.

    A lone question is a group of one and waits for nobody. After a group of several, the next one begins when
    the event loop has read what came meanwhile: it would hold up the group's thread, and be held up by it.
    Used from the event loop only.
    """

    def __init__(
        self, function: Callable[[Sequence[Question]], Sequence[Answer | Exception]], waiting: int
    ) -> None:
        self._function = function
        self._most = waiting
        self._threads = CapacityLimiter(AT_ONCE)
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._several = False
        self._gathering = False

    async def ask(self, question: Question) -> Answer:
        """The answer. Raises what the function has instead of one, and ``Overloaded`` when too many wait."""
        if len(self._waiting) >= self._most:
            raise Overloaded("the server has too much to do", hint="ask again a little later")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        self._next()
        return await future

    def _next(self) -> None:
        """Begin the next group as soon as it is worth it."""
        if not self._several or len(self._waiting) >= MOST:
            self._begin()
        elif self._waiting and not self._running and not self._gathering:
            self._gathering = True
            self._gather(len(self._waiting), 0)

    def _gather(self, there: int, quiet: int) -> None:
        """Look in each round of the event loop who has come: ``there`` were before, for ``quiet`` rounds."""
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting == there else 0
        if waiting < MOST and quiet <= PATIENCE:
            asyncio.get_running_loop().call_soon(self._gather, waiting, quiet)
        else:
            self._gathering = False
            self._begin()

    def _begin(self) -> None:
        while self._waiting and (
            not self._running or (len(self._running) < AT_ONCE and len(self._waiting) >= MOST)
        ):
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            self._several = len(group) > 1
            task = asyncio.get_running_loop().create_task(self._answer(group))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            self._next()

    async def _answer(self, group: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        questions = [question for question, _ in group]
        try:
            answers = await to_thread.run_sync(self._function, questions, limiter=self._threads)
        except Exception as error:  # noqa: BLE001
            answers = [error] * len(group)
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue  # Whoever asked has left.
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
