"""Signs of life in memory: the model of ``store.signs``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.engine.store.memory_inbox import MemoryInbox
from perdure.engine.store.rows import OUTSIDE, Beat, Key, Message, TaskRow
from perdure.engine.store.signs import begun, silence

_replace = msgspec.structs.replace


class MemorySigns(MemoryInbox):
    """The methods of a store."""

    def beat(self, worker: str, beats: Sequence[Beat]) -> frozenset[Key]:
        held = set()
        with self._write():
            now = self._clock.now()
            for each in beats:
                key = (each.execution, each.seq)
                task = self._tasks.get(key)
                if task is None or task.worker != worker:
                    continue
                held.add(key)
                self._put(self._tasks, key, begun(task, now))
                place = (each.instance, each.execution, each.path)
                if each.forget:
                    self._delete(self._heartbeats, place)
                elif each.details is not None:
                    self._put(self._heartbeats, place, each.details)
        return frozenset(held)

    def heartbeat_details(self, instance: str, execution: str, path: str) -> str | None:
        with self._read():
            return self._heartbeats.get((instance, execution, path))

    def hand_over(self, worker: str, tasks: Sequence[Key]) -> frozenset[Key]:
        with self._write():
            mine = {key for key in tasks if key in self._tasks and self._tasks[key].worker == worker}
            for key in mine:
                self._put(self._tasks, key, _replace(self._tasks[key], worker=OUTSIDE, silent_at=None))
            return frozenset(mine)

    def answer(self, message: Message, task: Key) -> Message | None:
        with self._write():
            if message.id in self._inbox:
                return _replace(self._inbox[message.id][1], held=False)
            self._delete(self._tasks, task)
            self._answer(message)
            return None

    def token_key(self) -> str:
        return self._token_key

    def fail_silent(self, worker: str, limit: int) -> int:
        with self._read():
            if not self._silent(self._clock.now()):
                return 0
        with self._fenced(worker) as now:
            tasks = self._silent(now)[:limit]
            for task in tasks:
                self._delete(self._tasks, (task.execution, task.seq))
                self._answer(silence(task))
        return len(tasks)

    def _silent(self, now: int) -> list[TaskRow]:
        found = [
            task
            for task in self._tasks.values()
            if task.worker is not None and task.silent_at is not None and task.silent_at <= now
        ]
        return sorted(found, key=lambda task: (task.silent_at, task.execution, task.seq))
