"""Signs of life of activities, in an SQL database: what they report, and those that are silent too long."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager

import msgspec

from perdure.engine.codec import encode_received
from perdure.engine.events import TaskFailed
from perdure.engine.store import statements as s
from perdure.engine.store.poison import result_id
from perdure.engine.store.races import retried
from perdure.engine.store.records import to_message, to_task
from perdure.engine.store.rows import OUTSIDE, Beat, Key, Message, TaskRow
from perdure.engine.store.transaction import Transaction


def silence(task: TaskRow) -> Message:
    """Tells the instance that whoever runs its task has not been heard of."""
    event = TaskFailed(
        scheduled_seq=task.seq,
        error="perdure.Timeout",
        message=f"the activity {task.name!r} gave no heartbeat for {task.heartbeat / 1_000_000:g} s",
    )
    return Message(
        id=result_id(task.execution, task.seq),
        instance=task.instance,
        slot=task.slot,
        kind="TaskFailed",
        event=encode_received(event),
        execution=task.execution,
    )


def begun(task: TaskRow, now: int) -> TaskRow:
    """The row of a task whose worker was heard of just now."""
    return msgspec.structs.replace(task, silent_at=now + task.heartbeat) if task.heartbeat else task


class SqlSigns(ABC):
    """The methods of a store in an SQL database."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...
    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...
    @abstractmethod
    def _fenced(self, worker: str) -> AbstractContextManager[Transaction]: ...

    @retried
    def beat(self, worker: str, beats: Sequence[Beat]) -> frozenset[Key]:
        held = set()
        with self._write(quiet=True) as tx:
            for each in beats:
                key = {"the_execution": each.execution, "the_seq": each.seq, "the_worker": worker}
                if not tx.run(s.TASK_BEAT, now=tx.now, **key):
                    continue
                held.add((each.execution, each.seq))
                place = {"instance": each.instance, "execution": each.execution, "path": each.path}
                if each.forget:
                    tx.run(s.HEARTBEAT_DELETE, **{f"the_{name}": value for name, value in place.items()})
                elif each.details is not None:
                    tx.run(s.HEARTBEAT_PUT, details=each.details, **place)
        return frozenset(held)

    def heartbeat_details(self, instance: str, execution: str, path: str) -> str | None:
        with self._read() as tx:
            row = tx.row(s.HEARTBEAT, the_instance=instance, the_execution=execution, the_path=path)
        return None if row is None else str(row[0])

    @retried
    def hand_over(self, worker: str, tasks: Sequence[Key]) -> frozenset[Key]:
        with self._write() as tx:
            return frozenset(
                key
                for key in sorted(tasks)
                if tx.run(
                    s.TASK_HAND_OVER, the_execution=key[0], the_seq=key[1], the_worker=worker, worker=OUTSIDE
                )
            )

    @retried
    def answer(self, message: Message, task: Key) -> Message | None:
        with self._write() as tx:
            row = tx.row(s.MESSAGE, the_id=message.id)
            if row is not None:
                return to_message(row)
            tx.tuples(s.TASK_DELETE, [task])
            tx.structs(s.INBOX_INSERT, [message])
            return None

    def token_key(self) -> str:
        with self._read() as tx:
            row = tx.row(s.META, the_key="token_key")
        assert row is not None, "the migration has made it"
        return str(row[0])

    def fail_silent(self, worker: str, limit: int) -> int:
        with self._read() as tx:
            if tx.row(s.TASKS_SILENT, now=tx.now, limit=1) is None:
                return 0
        with self._fenced(worker) as tx:
            tasks = [to_task(row) for row in tx.rows(s.TASKS_SILENT_FREE, now=tx.now, limit=limit)]
            tx.tuples(s.TASK_DELETE, [(task.execution, task.seq) for task in tasks])
            tx.structs(s.INBOX_INSERT_NEW, [silence(task) for task in tasks])
        return len(tasks)
