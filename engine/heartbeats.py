"""The signs of life of the activities that run in this process, on their way to the database.

An activity may report as often as it likes: what it says is written at most three times in its
``heartbeat``, and once more when it ends, before its result.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec

from perdure.engine.activities import Context
from perdure.engine.store.rows import Beat, Key
from perdure.engine.tasks import Task

SHARE = 3
"""How often in the time of a heartbeat it is written."""


class _Running:
    """An activity that reports. ``seen`` counts the reports that are written, at ``written`` seconds.

    ``waited`` is when it was last said that it waits for a thread.
    """

    def __init__(self, task: Task, context: Context) -> None:
        self.task = task
        self.context = context
        self.sent = self.seen = 0
        self.written = self.waited = float("-inf")

    def is_due(self, tick: float) -> bool:
        """Whether it has something new to say. One that waits for a thread says that it does."""
        spacing = self.task.heartbeat / SHARE / 1_000_000
        if self.context.reports != self.seen:
            return tick - self.written >= spacing
        return not self.context.begun and tick - self.waited >= spacing

    def beat(self, *, forget: bool = False) -> Beat:
        self.sent = self.context.reports  # First: what is reported meanwhile is sent the next time.
        details = self.context.reported
        return Beat(
            instance=self.task.instance,
            execution=self.task.execution,
            seq=self.task.seq,
            path=self.task.path,
            details=None if details is None else msgspec.json.encode(details).decode(),
            forget=forget,
        )


class Heartbeats:
    """Safe to use from several threads. Only tasks with a heartbeat are kept here."""

    def __init__(self) -> None:
        self._running: dict[Key, _Running] = {}
        self._last: list[Beat] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether an activity runs that is to be heard of."""
        return bool(self._running)

    def begin(self, task: Task, context: Context) -> None:
        """An activity starts."""
        if task.heartbeat:
            with self._lock:
                self._running[task.id] = _Running(task, context)

    def end(self, key: Key, *, well: bool) -> None:
        """It has ended: before its result, what it reported last is written, or forgotten if all is well."""
        if key not in self._running:
            return
        with self._lock:
            running = self._running.pop(key)
            known = running.context.heartbeat_details is not None or running.context.reported is not None
            if known and (well or running.context.reports != running.seen):
                self._last.append(running.beat(forget=well))

    def due(self, tick: float) -> list[Beat]:
        """What is to be written now; ``written`` says that it was."""
        if not (self._running or self._last):
            return []
        with self._lock:
            beats = list(self._last)
            return beats + [each.beat() for each in self._running.values() if each.is_due(tick)]

    def written(self, beats: Iterable[Beat], tick: float) -> None:
        """These are in the database, or of tasks that are not ours any more."""
        with self._lock:
            for each in beats:
                running = self._running.get((each.execution, each.seq))
                if running is not None:
                    if running.sent == running.seen:
                        running.waited = tick
                    else:
                        running.written, running.seen = tick, running.sent
            done = set(map(id, beats))
            self._last = [each for each in self._last if id(each) not in done]
