"""Which of the tasks that wait are handed out next: pure, and the same for every store.

A lower rank goes before a higher one. Within a rank the fairness keys take turns, however many tasks each
of them has; the tasks of one key go in the order they came in. A concurrency key gets no more than its
limit, which counts what is claimed already, and a queue with a rate no more than that lets through: what
has to wait for either hides nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from perdure.engine.store.rows import TaskRow


def age(task: TaskRow) -> tuple[int, str, int]:
    """What tasks of one key are sorted by."""
    return task.due, task.execution, task.seq


class Choice:
    """The tasks of one claim, as they are chosen. ``limit`` is how many there may be.

    ``claimed`` counts the tasks of a concurrency key that are claimed now, ``rates`` has how many tasks
    of a queue may be handed out, for queues with a rate. ``after`` is the fairness key that was served last.
    """

    def __init__(self, limit: int, after: str, claimed: Callable[[str], int], rates: dict[str, int]) -> None:
        self.limit = limit
        self.after = after
        self.tasks: list[TaskRow] = []
        self._claimed = claimed
        self._rates = rates
        self._counts: dict[str, int] = {}
        self._full: set[str] = set()

    @property
    def places(self) -> int:
        """How many more may be chosen."""
        return self.limit - len(self.tasks)

    def take_in_turns(self, rank: Iterable[TaskRow]) -> None:
        """Choose among tasks of one rank: the first ones of each of its groups, at least ``places`` of them.

        A group has one queue, activity, fairness key and concurrency key.
        """
        keys: dict[str, deque[TaskRow]] = {}
        for task in sorted(rank, key=age):
            keys.setdefault(task.fairness_key, deque()).append(task)
        turns = deque(sorted(keys, key=lambda key: (key <= self.after, key)))
        while turns and self.places > 0:
            key = turns.popleft()
            waiting = keys[key]
            while waiting and not self.take(waiting.popleft()):
                pass
            if waiting:
                turns.append(key)

    def take(self, task: TaskRow) -> bool:
        """Choose a task unless it has to wait."""
        key, queue = task.concurrency_key, task.queue
        if key in self._full or self._rates.get(queue, 1) < 1:
            return False
        if key:
            count = self._counts[key] if key in self._counts else self._claimed(key)
            if count >= task.concurrency_limit:
                # Those behind it keep their order, whatever limits they have.
                self._full.add(key)
                return False
            self._counts[key] = count + 1
        if queue in self._rates:
            self._rates[queue] -= 1
        self.tasks.append(task)
        return True


def handed_out(tasks: Sequence[TaskRow], queue: str) -> int:
    """How many of the tasks are of a queue."""
    return sum(task.queue == queue for task in tasks)
