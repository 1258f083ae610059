"""What a generation leaves open, read off its history alone: without its Program, and without a machine."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.engine.codec import decode_events, decode_received
from perdure.engine.events import (
    Asker,
    EntityLockRequested,
    EntityUnlockSent,
    Event,
    ExecutionStarted,
    ParentAttached,
    SubOrchestrationCanceled,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCanceled,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
)
from perdure.engine.state import Question
from perdure.engine.store.rows import HistoryRow, Key, Loaded, TaskRow
from perdure.engine.tasks import row_of, task_of


class Open(msgspec.Struct):
    """What a generation's history leaves open, by the ``seq`` of the decision."""

    tasks: dict[int, TaskScheduled] = {}
    timers: set[int] = set()
    questions: dict[int, Question] = {}
    locks: dict[int, str] = {}
    parent: Asker | None = None
    told: bool = False
    others: list[Asker] = []

    @property
    def askers(self) -> list[Asker]:
        """Everybody who waits for the end of the instance."""
        return [*([] if self.told or self.parent is None else [self.parent]), *self.others]


def first_event(loaded: Loaded) -> ExecutionStarted | None:
    """What the present generation will begin with, if it has not."""
    if loaded.first is None:
        return None
    try:
        event = decode_received(loaded.first.event, loaded.first.values)
    except msgspec.MsgspecError:
        return None
    return event if isinstance(event, ExecutionStarted) else None


def open_work(rows: Sequence[HistoryRow], coming: ExecutionStarted | None = None) -> Open:
    """What is open, read off a generation's history alone: without its Program.

    Large inputs of tasks are only referred to, as in a task's row. A generation that has not begun is
    ``coming`` with this.
    """
    found = Open()
    if coming is not None:
        _note_open(found, 0, coming)
    for row in rows:
        for seq, event in enumerate(decode_events(row.events), row.first_seq):
            _note_open(found, seq, event)
    return found


def _note_open(found: Open, seq: int, event: Event) -> None:
    match event:
        case ExecutionStarted(parent=parent, told=told, others=others):
            found.parent, found.told, found.others = parent, told, list(others)
        case ParentAttached(asker=asker):
            found.others.append(asker)
        case TaskScheduled():
            found.tasks[seq] = event
        case TimerCreated():
            found.timers.add(seq)
        case SubOrchestrationInstanceCreated(instance=child, on_close=action):
            found.questions[seq] = Question(0, child, action)
        case EntityLockRequested(entity=entity):
            found.locks[seq] = entity
        case EntityUnlockSent(scheduled_seq=locked):
            found.locks.pop(locked, None)
        case TaskCompleted() | TaskFailed() | TaskCanceled():
            found.tasks.pop(event.scheduled_seq, None)
        case TimerFired() | TimerCanceled():
            found.timers.discard(event.scheduled_seq)
        case (
            SubOrchestrationInstanceCompleted()
            | SubOrchestrationInstanceFailed()
            | SubOrchestrationCanceled()
        ):
            found.questions.pop(event.scheduled_seq, None)
        case _:
            pass


def task_rows(loaded: Loaded) -> dict[Key, TaskRow]:
    """Rows, as delivered once, for the tasks that an instance has open; none if its history is unreadable."""
    instance = loaded.instance
    try:
        tasks = open_work(loaded.history).tasks
        queue = private_queue(loaded.history)
    except msgspec.MsgspecError:
        return {}
    return {
        (instance.execution, seq): row_of(
            task_of(instance, instance.execution, seq, event), instance.slot, queue, event, deliveries=1
        )
        for seq, event in tasks.items()
    }


def private_queue(rows: Sequence[HistoryRow]) -> str | None:
    """The private queue that an instance's tasks go to, read off its history, if it has one."""
    events = decode_events(rows[0].events) if rows else []
    return next((each.queue for each in events if isinstance(each, ExecutionStarted)), None)
