"""The timers that an owner keeps in memory: those due up to a horizon, earliest first."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable

from perdure.engine.instance import slot_of
from perdure.engine.store.rows import TimerRow


class Timers:
    """A heap of timers with a set of those that still run. The database has them all."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, int, str]] = []
        self._running: set[tuple[str, int]] = set()
        self._fired: dict[tuple[str, int], str] = {}
        """Those that were taken out and still have their rows, with their instances."""
        self.horizon = 0
        """Timers due after this are not here; they are read when it moves."""

    def clear(self) -> None:
        """Forget everything, so that all is read again."""
        self._heap.clear()
        self._running.clear()
        self._fired.clear()
        self.horizon = 0

    def let_go(self, slots: Collection[int]) -> None:
        """Forget those of instances in these slots: somebody else lets them fire."""
        gone = [entry for entry in self._heap if slot_of(entry[3]) in slots]
        if gone:
            self._running.difference_update((execution, seq) for _, execution, seq, _ in gone)
            self._heap = [entry for entry in self._heap if slot_of(entry[3]) not in slots]
            heapq.heapify(self._heap)
        self._fired = {
            key: instance for key, instance in self._fired.items() if slot_of(instance) not in slots
        }

    def read(self, rows: Iterable[TimerRow], horizon: int) -> None:
        """Add what the database has up to a new horizon."""
        self.horizon = max(horizon, self.horizon)
        for row in rows:
            self.add(row.due, row.execution, row.seq, row.instance)

    def add(self, due: int, execution: str, seq: int, instance: str) -> None:
        """Add one timer, unless it is known or beyond the horizon."""
        key = (execution, seq)
        if due <= self.horizon and key not in self._running and key not in self._fired:
            self._running.add(key)
            heapq.heappush(self._heap, (due, execution, seq, instance))

    def close(self, execution: str, seq: int) -> None:
        """It must not fire any more."""
        self._running.discard((execution, seq))
        self._fired.pop((execution, seq), None)

    def due(self, now: int) -> list[tuple[str, str, int]]:
        """Take out what is due: instance, execution and ``seq``, earliest first."""
        fired = []
        while self._heap and self._heap[0][0] <= now:
            _, execution, seq, instance = heapq.heappop(self._heap)
            if (execution, seq) in self._running:
                self._running.discard((execution, seq))
                self._fired[execution, seq] = instance
                fired.append((instance, execution, seq))
        return fired

    def next(self) -> int | None:
        """When the earliest one is due, in microseconds since 1970 UTC."""
        while self._heap and self._heap[0][1:3] not in self._running:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
