"""A task as whoever runs it sees it, and the body of its row."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine.events import TaskScheduled
from perdure.engine.instance import Instance
from perdure.engine.store.rows import TaskRow


class Task(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attempt of an activity call. ``digest`` is the Program's, for ``output`` of the step."""

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

    @property
    def id(self) -> tuple[str, int]:
        """The key of the task: its execution and the ``seq`` of its ``TaskScheduled``."""
        return self.execution, self.seq


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
    )


def row_of(task: Task, slot: int, queue: str, deliveries: int = 0) -> TaskRow:
    """The row that hands the task to whoever claims it."""
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
    """The task in a row. Raises ``msgspec.DecodeError``."""
    return msgspec.json.decode(row.body, type=Task)


def result_id(execution: str, seq: int) -> str:
    """The id of the message that carries a task's result: there is one, whoever sends it."""
    return f"{execution}/{seq}/result"
