"""Tasks in memory, who may run which, and how they end: the model of ``store.lanes``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.engine.store.claiming import Choice, age, handed_out
from perdure.engine.store.memory_inbox import MemoryInbox
from perdure.engine.store.memory_letters import MemoryLetters
from perdure.engine.store.poison import SUSPECT, dead_letter, failure
from perdure.engine.store.rows import (
    AuditEntry,
    Message,
    QueueRow,
    TaskRow,
)
from perdure.engine.store.signs import begun

_replace = msgspec.structs.replace


class MemoryTasks(MemoryLetters, MemoryInbox):
    """The methods of a store."""

    def claim(
        self,
        worker: str,
        names: Sequence[str],
        private: Sequence[str],
        limit: int,
        max_deliveries: int,
        *,
        queues: Sequence[str] = (),
        suspects: int | None = None,
        after: str = "",
    ) -> list[TaskRow]:
        below = max_deliveries if suspects is None else min(SUSPECT, max_deliveries)

        def poison(now: int) -> list[TaskRow]:
            due = self._due(now, names, queues, private)
            due.sort(key=lambda task: (task.rank, *age(task)))
            return [task for task in due if task.deliveries >= max(max_deliveries, 2)][:limit]

        def choose(now: int, limit: int) -> list[TaskRow]:
            rates = {each.name: each.ready(now) for each in self._queues.values()}
            choice = Choice(limit, after, self._claimed, rates)
            due = self._due(now, names, queues, private)
            for rank in sorted({task.rank for task in due}):
                choice.take_in_turns(task for task in due if task.rank == rank and task.deliveries < below)
            again = [task for task in due if below <= task.deliveries < max_deliveries]
            again.sort(key=lambda task: (task.rank, *age(task)))
            for task in again[: min(choice.places, suspects or 0)]:
                choice.take(task)
            return choice.tasks

        with self._read():
            now = self._clock.now()
            if not limit or not (choose(now, 1) or poison(now)):
                return []
        claimed = []
        with self._fenced(worker) as now:
            for task in poison(now):
                self._bury(task, now)
            chosen = choose(now, limit)
            for task in chosen:
                taken = _replace(begun(task, now), worker=worker, deliveries=task.deliveries + 1)
                self._put(self._tasks, (task.execution, task.seq), taken)
                claimed.append(_replace(taken, values=self._values(task.instance, task.body)))
            for each in [*self._queues.values()]:
                if count := handed_out(chosen, each.name):
                    self._put(self._queues, each.name, each.after(now, count))
        return claimed

    def _due(
        self, now: int, names: Sequence[str], queues: Sequence[str], private: Sequence[str]
    ) -> list[TaskRow]:
        named = {"", *queues}
        return [
            task
            for task in self._tasks.values()
            if task.worker is None
            and task.due <= now
            and (task.queue in private or (task.queue in named and task.name in names))
        ]

    def _claimed(self, key: str) -> int:
        claimed = (task.concurrency_key for task in self._tasks.values() if task.worker is not None)
        return sum(each == key for each in claimed) if key else 0

    def claimed_count(self, concurrency_key: str) -> int:
        with self._read():
            return self._claimed(concurrency_key)

    def queues(self) -> list[QueueRow]:
        with self._read():
            return [self._queues[name] for name in sorted(self._queues)]

    def set_queue(self, name: str, settings: QueueRow | None, audit: AuditEntry | None = None) -> None:
        with self._write():
            if settings is None:
                self._delete(self._queues, name)
            else:
                self._put(self._queues, name, settings)
            self._note(audit, self._clock.now())

    def _bury(self, task: TaskRow, now: int) -> None:
        self._delete(self._tasks, (task.execution, task.seq))
        self._answer(failure(task))
        self._add_letter(dead_letter(task, now))

    def record(self, results: Sequence[Message], tasks: Sequence[tuple[str, int]]) -> None:
        with self._write():
            for key in tasks:
                self._delete(self._tasks, key)
            for message in results:
                self._answer(message)

    def claimed(self, worker: str) -> frozenset[tuple[str, int]]:
        with self._read():
            return frozenset(key for key, task in self._tasks.items() if task.worker == worker)

    def give_back(self, worker: str, tasks: Sequence[tuple[str, int]]) -> None:
        with self._write():
            for key in tasks:
                task = self._tasks.get(key)
                if task is not None and task.worker == worker:
                    self._put(self._tasks, key, _replace(task, worker=None, deliveries=task.deliveries - 1))

    def waiting_tasks(self, instance: str) -> list[TaskRow]:
        with self._read():
            waiting = [
                task for task in self._tasks.values() if task.instance == instance and task.worker is None
            ]
            return sorted(waiting, key=lambda task: (task.execution, task.seq))
