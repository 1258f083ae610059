"""What is handed out: no more at once than a key allows, and no faster than a queue."""

from __future__ import annotations

from typing import Any

from perdure.engine.client import Client
from perdure.engine.store.rows import QueueRow, TaskRow
from tests.sim.documents.activities import QUEUE
from tests.sim.scenes.stage import Scene, Stage


class Lanes(Scene):
    """Watches every claim; the named queue has a rate, perhaps."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._rate: QueueRow | None = None
        self._times: list[int] = []
        """Of each task of the named queue, when it was handed out."""

    def begin(self) -> None:
        """Give the queue its rate."""
        if self.random.random() < 0.3:
            rate = self.random.choice(["1/1h", "5/24h"] if self.stage.long_time else ["2/s", "1/2s"])
            Client(self.stage.hub.outside()).set_queue(QUEUE, rate)
            (self._rate,) = self.stage.store.queues()

    def written(self, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        """Look at what was claimed."""
        if name == "claim":
            for task in result:
                self._claimed(task)

    def _claimed(self, task: TaskRow) -> None:
        if task.concurrency_limit:
            count = self.stage.store.claimed_count(task.concurrency_key)
            problem = f"{count} tasks of {task.concurrency_key} are handed out at once"
            assert count <= task.concurrency_limit, problem
        if task.queue == QUEUE and self._rate is not None:
            now = self.stage.written_at()
            self._times.append(now)
            for before, since in enumerate(reversed(self._times)):
                allowed = self._rate.burst + (now - since) // self._rate.interval
                assert before < allowed, f"{before + 1} tasks are handed out in {now - since} us"
