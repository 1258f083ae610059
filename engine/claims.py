"""How a member claims tasks from the table, those that may be poison one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.compiler.encode import UnknownProgram
from perdure.engine.errors import (
    OutcomeUnknown,
    StoreError,
)
from perdure.engine.events import TaskFailed
from perdure.engine.requests import Finished
from perdure.engine.store.poison import SUSPECT
from perdure.engine.store.rows import TaskRow
from perdure.engine.tasks import Task, Work, private_queue, work_in
from perdure.engine.workplace import POLL_EVERY, Workplace

MAX_DELIVERIES = 5
"""Hand-outs of a task before it is poison."""
RATES_EVERY = 1.0
"""Seconds between looks whether a queue that is served here has a rate."""
CALM = 60.0
"""Seconds that a task runs before it is no suspect of killing its worker any more."""


class Claims(Workplace):
    """The duties of a member towards tasks that wait for somebody to run them."""

    def _claim(self, tick: float) -> bool:
        """Take tasks from the table while there are places; suspects of poison one after the other."""
        if self._suspect is not None and self._is_cleared(*self._suspect, tick):
            self._suspect, self._tasks_news = None, True
        if self._draining or not (self._tasks_news or tick - self._claimed >= self._claim_every(tick)):
            return False
        self._claimed = tick
        names, places = self._activities.claimable
        found = more = False
        # Turns come first: a task that runs beside a poison turn would be taken for what kills.
        turns = bool(self._suspects) and not self.owner.idle
        if places and (names or self._private):
            rows = self.store.claim(
                self.id,
                names,
                [private_queue(each) for each in self._private],
                places,
                MAX_DELIVERIES,
                queues=self._queues,
                suspects=0 if self._suspect or turns else 1,
                after=self._after,
            )
            here = self._here
            tasks = self._readable(rows)
            self._claims.update(task.id for task in tasks)
            # Who lost its slots may get back what it runs already: that run goes on.
            self._activities.start(task for task in tasks if task.id not in here)
            if rows:
                self._after = rows[-1].fairness_key
                if rows[-1].deliveries > SUSPECT:
                    self._suspect = (rows[-1].execution, rows[-1].seq), tick
                found, more = True, len(rows) == places
        # Not before: nobody tells again of what a claim that failed was for.
        self._tasks_news = more
        return found

    def _claim_every(self, tick: float) -> float:
        """Seconds between looks without a hint; a rate lets through at once what comes in ``POLL_EVERY``."""
        if self._queues and self.pace.told and tick - self._rates_seen >= RATES_EVERY:
            self._rates_seen = tick
            self.rated = any(each.name in self._queues for each in self.store.queues())
        return min(self.pace.poll, POLL_EVERY) if self.rated else self.pace.poll

    def _readable(self, rows: Sequence[TaskRow]) -> list[Work]:
        """The tasks in claimed rows, their Programs at hand: no result may be lost for want of one."""
        tasks = list[Work]()
        for row in rows:
            try:
                task = work_in(row)
                if isinstance(task, Task):
                    self.programs.get(task.digest)
                    task = self._with_details(task)
            except (msgspec.MsgspecError, UnknownProgram) as error:
                message = f"the task cannot be read here: {error}"
                failed = TaskFailed(scheduled_seq=row.seq, error="perdure.Payload", message=message)
                self.finished.append(Finished(row.instance, row.execution, failed))
            except StoreError as error:
                # Joining again gives back what is claimed and not begun.
                raise OutcomeUnknown(f"a claimed task's Program cannot be read now: {error}") from error
            else:
                tasks.append(task)
        return tasks

    def _with_details(self, task: Task) -> Task:
        """The task with what an attempt before it has reported, if it reports at all."""
        if not task.heartbeat:
            return task
        details = self.store.heartbeat_details(task.instance, task.execution, task.path)
        if details is None:
            return task
        return msgspec.structs.replace(task, details=msgspec.json.decode(details))

    def _is_cleared(self, task: tuple[str, int], since: float, tick: float) -> bool:
        """Whether a suspect has ended and is recorded, or has run so long that it killed nobody."""
        return task not in self._here or tick - since >= CALM
