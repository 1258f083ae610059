"""A task as whoever runs it sees it, and the body of its row."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from perdure.engine.codec import Values, stored_value
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.events import TaskScheduled
from perdure.engine.instance import Instance
from perdure.engine.store.rows import TaskRow


class Task(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt of an activity call. ``digest`` is the Program's, for ``output`` of the step.

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
    )


def row_of(task: Work, slot: int, queue: str, deliveries: int = 0) -> TaskRow:
    """The row that hands the task to whoever claims it; a large input is in the history's values."""
    if isinstance(task, Task) and task.stored is None and (key := stored_value(task.input, {})) is not None:
        task = msgspec.structs.replace(task, input=None, stored=key)
    return TaskRow(
        execution=task.execution,
        seq=task.seq,
        instance=task.instance,
        slot=slot,
        queue=queue,
        name=task.name,
        body=msgspec.json.encode(task).decode(),
        deliveries=deliveries,
    )


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
