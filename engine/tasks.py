"""A task as whoever runs it sees it, and the body of its row."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from perdure.engine.codec import Values, stored_value
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.events import TaskScheduled
from perdure.engine.instance import Instance
from perdure.engine.keys import row_key
from perdure.engine.store.rows import TaskRow

DEFAULT_QUEUE = "default"
"""What steps and people call the queue that every worker serves; its rows have no name."""


MAX_PRIORITY = 1_000_000_000
"""What is larger counts as this much."""


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """An activity raised ``Pending``: somebody else will answer. ``row`` is for a task without one."""

    scheduled_seq: int
    row: TaskRow


class Task(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One attempt of an activity call. ``digest`` is the Program's, for ``output`` of the step.

    ``details`` are those of the last heartbeat of an attempt before, for one that is claimed.
    ``stored`` is the key of an ``input`` that is kept apart: only in a row, never where it is run.
    """

    instance: str
    execution: str
    seq: int
    workflow: str
    digest: str
    name: str
    key: str
    path: str
    attempt: int
    has_input: bool
    input: Any
    stored: str | None = None
    priority: int = 0
    fairness_key: str = ""
    heartbeat: int = 0
    details: Any = None

    @property
    def id(self) -> tuple[str, int]:
        """The key of the task: its execution and the ``seq`` of its ``TaskScheduled``."""
        return self.execution, self.seq


Work: TypeAlias = Task | EntityTask
"""What a worker may be given to run."""


def task_of(instance: Instance, execution: str, seq: int, event: TaskScheduled) -> Task:
    """The task that a decision asks for."""
    return Task(
        instance=instance.id,
        execution=execution,
        seq=seq,
        workflow=instance.name,
        digest=instance.digest,
        name=event.name,
        key=event.key,
        path=event.path,
        attempt=event.attempt,
        has_input=event.has_input,
        input=event.input,
        stored=None if event.stored is None else event.stored["input"],
        priority=event.priority,
        fairness_key=event.fairness_key,
        heartbeat=event.heartbeat,
    )


def row_of(
    task: Work, slot: int, private: str | None, event: TaskScheduled | None = None, *, deliveries: int = 0
) -> TaskRow:
    """The row that hands the task to whoever claims it; all tasks of some instances go to one queue.

    ``event`` is the decision that asks for an activity. A large input is in the history's values.
    """
    if isinstance(task, Task) and task.stored is None and (key := stored_value(task.input, {})) is not None:
        task = msgspec.structs.replace(task, input=None, stored=key)
    row = TaskRow(
        execution=task.execution,
        seq=task.seq,
        instance=task.instance,
        slot=slot,
        queue="" if private is None else private_queue(private),
        name=task.name,
        body=msgspec.json.encode(task).decode(),
        deliveries=deliveries,
    )
    if event is None:
        return row
    return msgspec.structs.replace(
        row,
        queue=row.queue or event.queue,
        rank=-min(max(event.priority, -MAX_PRIORITY), MAX_PRIORITY),
        fairness_key=row_key(event.fairness_key),
        concurrency_key=row_key(event.concurrency_key),
        concurrency_limit=event.concurrency_limit,
        heartbeat=event.heartbeat,
    )


def private_queue(name: str) -> str:
    """A private queue as rows name it: no queue that a step names looks like it."""
    return f"@{name}"


def is_private(queue: str) -> bool:
    """Whether a row's queue is a private one."""
    return queue.startswith("@")


def is_shared(event: TaskScheduled) -> bool:
    """Whether a task needs a row in any case: others have a say in when it runs, or where."""
    return bool(event.queue or event.concurrency_key or event.heartbeat)


def task_in(row: TaskRow) -> Task:
    """The task in a row, with its input. Raises ``msgspec.MsgspecError``."""
    task = msgspec.json.decode(row.body, type=Task)
    if task.stored is None:
        return task
    return msgspec.structs.replace(task, input=Values().get(task.stored, row.values), stored=None)


def work_in(row: TaskRow) -> Work:
    """The task in a row, an activity's or an entity's. Raises ``msgspec.DecodeError``."""
    return msgspec.json.decode(row.body, type=EntityTask) if row.name.startswith("@") else task_in(row)


def result_id(execution: str, seq: int) -> str:
    """The id of the message that carries a task's result: there is one, whoever sends it."""
    return f"{execution}/{seq}/result"
