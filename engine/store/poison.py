"""Results of tasks as messages: how they are named, and the one that the store itself makes.

A task that was handed out too often is poison: whoever takes it dies. Nobody gets it again; its instance
gets a failure, and what it was stays as a dead letter. Whatever ran beside it is delivered again too, so
suspects are handed out a few at a time: none of them shares the fate of another.
"""

from __future__ import annotations

from perdure.engine.codec import encode_received
from perdure.engine.events import TaskFailed
from perdure.engine.store.rows import DeadLetter, Message, TaskRow

SUSPECT = 2
"""Hand-outs without an answer after which a task may be what killed its workers, or ran beside it."""


def result_id(execution: str, seq: int) -> str:
    """The id of the message with a task's result, whoever sends it."""
    return f"{execution}/{seq}/result"


def result_key(message_id: str) -> tuple[str, int] | None:
    """The task whose result has this id; None if it is another message's."""
    execution, _, rest = message_id.partition("/")
    seq, _, word = rest.partition("/")
    return (execution, int(seq)) if word == "result" and seq.isdecimal() else None


def failure(task: TaskRow) -> Message:
    """Tells the instance that its task is poison."""
    event = TaskFailed(
        scheduled_seq=task.seq, error="perdure.Poison", message=_sentence(task), retryable=False
    )
    return Message(
        id=result_id(task.execution, task.seq),
        instance=task.instance,
        slot=task.slot,
        kind="TaskFailed",
        event=encode_received(event),
        execution=task.execution,
    )


def dead_letter(task: TaskRow, at: int) -> DeadLetter:
    """What remains of the task: its body, under the id of the result that it did not have."""
    return DeadLetter(
        id=result_id(task.execution, task.seq),
        instance=task.instance,
        reason=f"perdure.Poison: {_sentence(task)}",
        kind="TaskScheduled",
        event=task.body,
        at=at,
        execution=task.execution,
    )


def _sentence(task: TaskRow) -> str:
    return f"The activity {task.name!r} was handed out {task.deliveries} times and never answered."
