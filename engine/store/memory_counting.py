"""How much of everything there is in a hub in memory: the model of ``store.counting``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from perdure.engine.instance import Status
from perdure.engine.store.counting import DEFAULT, LAST_PRIVATE, MOST_QUEUES
from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import Counts, TaskRow


class MemoryCounting(MemoryTables):
    """The method of a store."""

    def counts(self, most: int) -> Counts:
        with self._read():
            tasks, inbox = list(self._tasks.values()), [row for _, row in self._inbox.values()]
            rows = self._instances.values()
            waiting = [row for row in tasks if row.worker is None]
            return Counts(
                instances={
                    str(status): _count((row for row in rows if row.status is status), most)
                    for status in Status
                },
                queues=_queues(waiting, most),
                tasks_claimed=_count((row for row in tasks if row.worker is not None), most),
                messages=_count((row for row in inbox if not row.held), most),
                messages_held=_count((row for row in inbox if row.held), most),
                timers=_count(self._timers, most),
                dead_letters=_count(self._dead_letters, most),
            )


def _count(rows: Iterable[Any], most: int) -> int:
    return sum(1 for _ in islice(rows, most))


def _queues(waiting: list[TaskRow], most: int) -> dict[str, int]:
    named = sorted({row.queue for row in waiting if row.queue == DEFAULT or row.queue > LAST_PRIVATE})
    return {name: _count((row for row in waiting if row.queue == name), most) for name in named[:MOST_QUEUES]}
