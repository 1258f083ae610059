"""Runs activities: sync ones in threads, async ones on an event loop in a thread of its own.

User code can never block turns. Whatever happens to a task, ``done`` is called once with its event.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine import clock
from perdure.engine.activities import Activity, ActivityError, Context, Registry, RetryAfter
from perdure.engine.events import TaskCompleted, TaskFailed
from perdure.engine.failure import EXPRESSION, SCHEMA
from perdure.engine.linked import LinkedProgram
from perdure.engine.payload import BadPayload, to_json
from perdure.engine.tasks import Task

MAX_MESSAGE = 8192
"""Characters of an error's message that are kept."""

Answer = TaskCompleted | TaskFailed
Done = Callable[[Task, Answer], None]

_log = logging.getLogger("perdure.activities")


class Executor:
    """Runs up to ``concurrency`` sync and as many async activities at once; the others queue up.

    ``programs`` finds the Program of a digest, for the ``output`` of a step.
    """

    def __init__(
        self, registry: Registry, programs: Callable[[str], LinkedProgram], done: Done, *, concurrency: int
    ) -> None:
        self._registry = registry
        self._programs = programs
        self._done = done
        self._concurrency = concurrency
        self._contexts: dict[tuple[str, int], Context] = {}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[Task, Activity, Context] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self._idle = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._limit: asyncio.Semaphore | None = None
        self._async_tasks: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that run or wait for a place here."""
        with self._lock:
            return frozenset(self._contexts)

    @property
    def places(self) -> int:
        """How many more tasks could start at once."""
        with self._lock:
            return max(self._concurrency - len(self._contexts), 0)

    def start(self, tasks: Iterable[Task]) -> None:
        """Run tasks, in order, as places become free."""
        coroutines = []
        for task in tasks:
            context = Context(task.instance, task.path, task.key, task.attempt)
            activity = self._registry.get(task.name)
            if activity is None:
                message = f"no activity {task.name!r} is registered here"
                self._done(task, _failed(task, "perdure.Payload", message))
                continue
            with self._lock:
                self._contexts[task.id] = context
            if activity.is_async:
                coroutines.append((task, activity, context))
            else:
                self._queue.put((task, activity, context))
        self._grow()
        if coroutines:
            self._event_loop().call_soon_threadsafe(self._spawn, coroutines)

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Tell activities that nobody waits for them."""
        for key in keys:
            context = self._contexts.get(key)
            if context is not None:
                context.cancel()

    def stop(self, timeout: float) -> None:
        """Tell every activity to stop, and wait up to ``timeout`` seconds for those in threads.

        What waits for a place is not started any more.
        """
        self._stopping = True
        with self._lock:
            contexts, threads = list(self._contexts.values()), list(self._threads)
        for context in contexts:
            context.cancel()
        for _ in threads:
            self._queue.put(None)
        deadline = clock.monotonic() + timeout
        for thread in threads:
            thread.join(max(deadline - clock.monotonic(), 0))
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    # -- threads ----------------------------------------------------------------------------------

    def _grow(self) -> None:
        with self._lock:
            wanted = min(self._queue.qsize() - self._idle, self._concurrency - len(self._threads))
            for _ in range(max(wanted, 0)):
                name = f"perdure-activity-{len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._queue.get()
            with self._lock:
                self._idle -= 1
            if job is None or self._stopping:
                return
            task, activity, context = job
            self._finish(task, self._run(task, activity, context))

    def _run(self, task: Task, activity: Activity, context: Context) -> Answer:
        try:
            arguments = activity.arguments(task.has_input, task.input, context)
        except msgspec.ValidationError as error:
            return _failed(task, SCHEMA, str(error), retryable=False)
        try:
            result = activity.function(**arguments)
        except BaseException as error:  # noqa: BLE001
            return _answer_to(task, error)
        return self._completed(task, result)

    # -- the loop ---------------------------------------------------------------------------------

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._limit = asyncio.Semaphore(self._concurrency)
            threading.Thread(target=self._run_loop, name="perdure-activities", daemon=True).start()
        return self._loop

    def _run_loop(self) -> None:
        assert self._loop is not None, "the loop is made before its thread"
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _spawn(self, jobs: list[tuple[Task, Activity, Context]]) -> None:
        assert self._loop is not None, "this runs on the loop"
        for task, activity, context in jobs:
            running = self._loop.create_task(self._run_async(task, activity, context))
            self._async_tasks.add(running)
            running.add_done_callback(self._async_tasks.discard)

    async def _run_async(self, task: Task, activity: Activity, context: Context) -> None:
        assert self._limit is not None, "the limit is made with the loop"
        async with self._limit:
            try:
                arguments = activity.arguments(task.has_input, task.input, context)
            except msgspec.ValidationError as error:
                self._finish(task, _failed(task, SCHEMA, str(error), retryable=False))
                return
            try:
                result = await activity.function(**arguments)
            except BaseException as error:  # noqa: BLE001
                self._finish(task, _answer_to(task, error))
                return
            self._finish(task, self._completed(task, result))

    # -- results ----------------------------------------------------------------------------------

    def _completed(self, task: Task, result: Any) -> Answer:
        """The result after the step's ``output``, as JSON."""
        try:
            output = self._programs(task.digest).output_of(task.path)
            value = to_json(result)
            if output is not None:
                value = to_json(output({"result": value}, None))
            return TaskCompleted(scheduled_seq=task.seq, result=value)
        except BadPayload as error:
            return _failed(task, "perdure.Payload", f"the result of {task.name}: {error}", retryable=False)
        except EvalError as error:
            place = "" if error.position is None else f"{error.position[0]}:{error.position[1]}: "
            return _failed(task, EXPRESSION, f"output: {place}{error.message}", retryable=False)
        except Exception as error:
            _log.exception("the result of %s could not be taken", task.name)
            return _failed(task, "perdure.Payload", f"{type(error).__name__}: {error}")

    def _finish(self, task: Task, answer: Answer) -> None:
        with self._lock:
            self._contexts.pop(task.id, None)
        self._done(task, answer)


def _answer_to(task: Task, error: BaseException) -> TaskFailed:
    """What an exception of user code means."""
    kind, data, retryable, retry_after = type(error).__name__, None, True, None
    if isinstance(error, ActivityError):
        kind, retryable = error.type or kind, error.retryable
        try:
            data = to_json(error.data)
        except BadPayload as problem:
            data = {"lost": str(problem)}
    if isinstance(error, RetryAfter):
        retry_after = max(round(error.seconds * 1_000_000), 0)
    return _failed(task, kind, _text(error), data=data, retryable=retryable, retry_after=retry_after)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001
        return "(the exception has no text)"


def _failed(task: Task, kind: str, message: str, **fields: Any) -> TaskFailed:
    clean = message.encode("utf-8", "replace").decode()[:MAX_MESSAGE]
    return TaskFailed(scheduled_seq=task.seq, error=kind, message=clean, **fields)
