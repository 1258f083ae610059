"""Runs activities: sync ones in threads, async ones on an event loop in a thread of its own.

User code can never block turns. Whatever happens to a task, ``done`` is called once with its event.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from perdure.engine import clock
from perdure.engine.activities import Activity, Context, Registry
from perdure.engine.attempts import Answer, Attempt, failed
from perdure.engine.entity_classes import Abandoned, EntityClass
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.events import TaskCompleted, TaskFailed
from perdure.engine.failure import PAYLOAD
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.lineup import Lineup
from perdure.engine.linked import LinkedProgram
from perdure.engine.tasks import Task, Work
from perdure.engine.tokens import Place, token_for

FEW_THREADS = 2
"""Threads that work at once when activities end quickly."""
TEND_EVERY = 0.001
"""Seconds between looks at how quickly they end."""

Done = Callable[[Work, Answer], None]

_log = logging.getLogger("perdure.activities")


class _Job(NamedTuple):
    task: Task
    activity: Activity
    context: Context


class _EntityJob(NamedTuple):
    task: EntityTask
    entity: EntityClass


class Limits(NamedTuple):
    """How many of each kind run at once: sync activities, async ones, and operations of entities."""

    sync: int
    coroutines: int
    entities: int


class Executor:
    """Runs up to so many sync and async activities at once as ``limits`` says; the others queue up.

    Operations of entities share the threads of sync activities, and no more are claimed than may run.

    ``programs`` finds the Program of a digest, for the ``output`` of a step. Sync activities that end
    at once share few threads, because threads that compete for the interpreter keep turns waiting;
    ``tend`` lets more of them work while those that do are blocked.
    """

    def __init__(
        self,
        registry: Registry,
        programs: Callable[[str], LinkedProgram],
        done: Done,
        *,
        token_key: Callable[[], str],
        limits: Limits,
    ) -> None:
        self._registry = registry
        self._token_key = token_key
        self._programs = programs
        self._done = done
        self._limits = limits
        self._open: dict[str, set[tuple[str, int]]] = {kind: set() for kind in Limits._fields}
        """Keys of the tasks of each kind that run or wait for a place."""
        self.heartbeats = Heartbeats()
        self._contexts: dict[tuple[str, int], Context] = {}
        self._jobs: Lineup[_Job | _EntityJob] = Lineup()
        self._condition = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._least = min(FEW_THREADS, limits.sync)
        self._allowed = self._least
        self._working = 0
        self._ended = self._ended_before = 0
        self._tended = 0.0
        self._stopping = self._abandoned = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._coroutines: Lineup[_Job] = Lineup()
        self._filling = False
        self._awaiting = 0
        """Async activities that have begun and not ended."""
        self._async_tasks: set[asyncio.Task[None]] = set()

    @property
    def names(self) -> frozenset[str]:
        """The activities that are offered."""
        return self._registry.offered

    def offers(self, name: str) -> bool:
        """Whether an activity is one of them."""
        return name in self._registry

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that run or wait for a place here."""
        return frozenset(self._contexts.copy())

    @property
    def claimable(self) -> tuple[list[str], int]:
        """The names of which more tasks could start at once, and how many of each of them."""
        free = {kind: limit - len(self._open[kind]) for kind, limit in self._limits._asdict().items()}
        if self._stopping or max(free.values()) <= 0:
            return [], 0
        names = [name for name in sorted(self._registry.offered) if free[self._kind(name)] > 0]
        return names, min(each for each in free.values() if each > 0)

    def _kind(self, name: str) -> str:
        activity = self._registry.get(name)
        return "entities" if activity is None else "coroutines" if activity.is_async else "sync"

    @property
    def backlog(self) -> bool:
        """Whether sync activities wait for a thread: ``tend`` soon."""
        return bool(self._jobs)

    def start(self, tasks: Iterable[Work]) -> None:
        """Run tasks, in order, as places become free. Who is stopping starts nothing."""
        with self._condition:
            if not self._stopping:
                self._start(tasks)

    def _start(self, tasks: Iterable[Work]) -> None:
        sync: list[_Job | _EntityJob] = []
        coroutines: list[_Job] = []
        for task in tasks:
            if isinstance(task, EntityTask):
                sync += self._entity_job(task)
                continue
            activity = self._registry.get(task.name)
            if activity is None:
                message = f"no activity {task.name!r} is registered here"
                self._done(task, failed(task, PAYLOAD, message))
                continue
            context = self.context_of(task)
            self._contexts[task.id] = context
            self._open["coroutines" if activity.is_async else "sync"].add(task.id)
            self.heartbeats.begin(task, context)
            (coroutines if activity.is_async else sync).append(_Job(task, activity, context))
        if sync:
            for job in sync:
                self._jobs.add(job, *_order(job))
            self._wake()
        if coroutines:
            self._event_loop().call_soon_threadsafe(self._spawn, coroutines)

    def context_of(self, task: Task) -> Context:
        """What an activity may know of its call."""
        token = partial(self._token, task)
        return Context(task.instance, task.path, task.key, task.attempt, task.details, token)

    def _token(self, task: Task) -> str:
        return token_for(self._token_key(), Place(task.instance, task.execution, task.seq))

    def _entity_job(self, task: EntityTask) -> list[_EntityJob]:
        entity = self._registry.entity(task.name)
        if entity is None:
            self._done(task, failed(task, PAYLOAD, f"no entity {task.name[1:]!r} is registered here"))
            return []
        self._contexts[task.id] = Context(task.instance, task.name, task.operations[0].id, 1)
        self._open["entities"].add(task.id)
        return [_EntityJob(task, entity)]

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Tell activities that nobody waits for them."""
        for key in keys:
            context = self._contexts.get(key)
            if context is not None:
                context.canceled = True

    def tend(self, now: float) -> None:
        """Allow more threads while those at work end less than a job a millisecond; ``now`` in seconds."""
        if now - self._tended < TEND_EVERY:
            return
        with self._condition:
            ended, self._ended_before = self._ended - self._ended_before, self._ended
            self._tended = now
            if not self._jobs:
                self._allowed = self._least
            elif ended < self._allowed:
                self._allowed = min(self._allowed * 2, self._limits.sync)
                self._wake()

    def stop(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for the activities that run; what waits for a place is not started.

        What runs longer is abandoned: nothing is recorded of it, so it is delivered again.
        """
        with self._condition:
            self._stopping = True
            self._jobs.clear()
            self._condition.notify_all()
        deadline = clock.monotonic() + timeout
        if self._loop is not None and not self._loop.is_closed():
            ending = asyncio.run_coroutine_threadsafe(self._end_loop(timeout), self._loop)
            concurrent.futures.wait([ending], timeout + 1)
            self._loop_thread.join(1)
        for thread in self._threads:
            thread.join(max(deadline - clock.monotonic(), 0))

    # -- threads ----------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Let as many threads work as are allowed and have something to do; with the lock held."""
        wanted = min(self._allowed - self._working, len(self._jobs))
        idle = len(self._threads) - self._working
        self._condition.notify(max(min(wanted, idle), 0))
        for _ in range(wanted - idle):
            name = f"perdure-activity-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            self._working += 1
            thread.start()

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._jobs or self._working > self._allowed:
                    self._working -= 1
                    if self._stopping:
                        return
                    self._condition.wait()
                    self._working += 1
                job = self._jobs.take()
            try:
                self._finish(job.task, self._perform(job))
            except Abandoned:
                _log.info("operations of %s were cut short; they are delivered again", job.task.instance)
            self._ended += 1

    def _perform(self, job: _Job | _EntityJob) -> Answer:
        """Whatever happens, there is an answer: else the task is open, and its thread taken, for ever."""
        try:
            return self.perform(*job) if isinstance(job, _Job) else self.perform_operations(*job)
        except Abandoned:
            raise
        except BaseException as error:  # noqa: BLE001
            return _fault(job.task, error)

    def perform_operations(self, task: EntityTask, entity: EntityClass) -> Answer:
        """Carry out operations of an entity in this thread; async ones on the loop, while it waits."""
        performed = entity.perform(task, self._wait)
        return TaskCompleted(scheduled_seq=task.seq, result=msgspec.to_builtins(performed))

    def _wait(self, awaitable: Coroutine[Any, Any, Any]) -> Any:
        """What an async operation gives. Raises ``Abandoned`` when this process stops before it has ended."""
        try:
            with self._condition:
                loop = self._event_loop()
            return asyncio.run_coroutine_threadsafe(self._tracked(awaitable), loop).result()
        except BaseException as error:
            if self._stopping and (self._abandoned or self._loop is None or self._loop.is_closed()):
                raise Abandoned from error
            raise

    async def _tracked(self, awaitable: Coroutine[Any, Any, Any]) -> Any:
        running = asyncio.current_task()
        assert running is not None, "a coroutine on a loop runs in a task"
        self._async_tasks.add(running)
        running.add_done_callback(self._async_tasks.discard)
        return await awaitable

    def perform(self, task: Task, activity: Activity, context: Context) -> Answer:
        """Run a sync activity to its end, in this thread; whatever it does, there is an answer."""
        attempt = Attempt(task, activity, context, self._programs)
        arguments = attempt.arguments()
        if isinstance(arguments, TaskFailed):
            return arguments
        try:
            result = activity.function(**arguments)
        except BaseException as error:  # noqa: BLE001
            return attempt.raised(error)
        return attempt.completed(result)

    # -- the loop ---------------------------------------------------------------------------------

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            if sys.version_info >= (3, 12):
                # What ends without waiting needs no turn of the loop.
                self._loop.set_task_factory(asyncio.eager_task_factory)
            name = "perdure-activities"
            self._loop_thread = threading.Thread(target=self._run_loop, name=name, daemon=True)
            self._loop_thread.start()
        return self._loop

    def _run_loop(self) -> None:
        assert self._loop is not None, "the loop is made before its thread"
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _end_loop(self, seconds: float) -> None:
        """Let async activities end, abandon those that do not, and stop the loop."""
        assert self._loop is not None, "this runs on the loop"
        if self._async_tasks:
            _, late = await asyncio.wait(set(self._async_tasks), timeout=seconds)
            self._abandoned = True
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._loop.call_soon(self._loop.stop)

    def _spawn(self, jobs: list[_Job]) -> None:
        for job in jobs:
            self._coroutines.add(job, *_order(job))
        self._fill()

    def _fill(self) -> None:
        """Begin what waits while there are places. What ends at once makes its place free in here."""
        assert self._loop is not None, "this runs on the loop"
        if self._filling:
            return
        self._filling = True
        while self._coroutines and self._awaiting < self._limits.coroutines and not self._stopping:
            running = self._loop.create_task(self._run_async(*self._coroutines.take()))
            if not running.done():
                self._awaiting += 1
                self._async_tasks.add(running)
                running.add_done_callback(self._ended_async)
        self._filling = False

    def _ended_async(self, task: asyncio.Task[None]) -> None:
        self._async_tasks.discard(task)
        self._awaiting -= 1
        self._fill()

    async def _run_async(self, task: Task, activity: Activity, context: Context) -> None:
        try:
            answer = await self._perform_async(task, activity, context)
        except BaseException as error:  # noqa: BLE001
            answer = _fault(task, error)
        if answer is not None:
            self._finish(task, answer)

    async def _perform_async(self, task: Task, activity: Activity, context: Context) -> Answer | None:
        """As ``perform``; None for one that was abandoned."""
        attempt = Attempt(task, activity, context, self._programs)
        arguments = attempt.arguments()
        if isinstance(arguments, TaskFailed):
            return arguments
        try:
            result = await activity.function(**arguments)
        except BaseException as error:  # noqa: BLE001
            return None if self._abandoned else attempt.raised(error)
        return attempt.completed(result)

    def _finish(self, task: Work, answer: Answer) -> None:
        self.heartbeats.end(task.id, well=isinstance(answer, TaskCompleted))
        self._done(task, answer)
        # Without the lock: threads that wait for each other after every task cost more than the tasks.
        self._open[self._kind(task.name)].discard(task.id)
        self._contexts.pop(task.id, None)


def _fault(task: Work, error: BaseException) -> TaskFailed:
    """A failure of ours. Its text stays here: there may be a secret in it."""
    _log.error("the task %s of %s failed inside: %s", task.name, task.instance, type(error).__name__)
    return failed(task, PAYLOAD, f"it failed inside: {type(error).__name__}")


def _order(job: _Job | _EntityJob) -> tuple[int, str]:
    """The priority and the fairness key of a job."""
    return (job.task.priority, job.task.fairness_key) if isinstance(job, _Job) else (0, "")
