"""One turn of an entity: what it has heard, in order, and everything to be written of it.

Pure, as ``turn`` is. One operation after the other sees the state that those before it have left, and all
of them are one write of the entity's row. An operation in Python is given to a worker as a task; until
its result is there the entity does nothing else, and the messages stay where they are. While somebody holds
the lock, what others say waits in its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from perdure.engine import keys, outgoing
from perdure.engine.addresses import entity_at
from perdure.engine.entities import Call, Done, LinkedEntity, Undone
from perdure.engine.entity_tasks import Asked, EntityTask, Performed
from perdure.engine.events import (
    Asker,
    DeleteRequested,
    EntityLockGranted,
    LockReleased,
    LockRequested,
    OperationRequested,
    TaskCompleted,
    TaskFailed,
    ToEntity,
)
from perdure.engine.failure import PAYLOAD, POISON
from perdure.engine.instance import slot_of
from perdure.engine.linked import encode_json
from perdure.engine.store.rows import EntityRow, EntityWrite, Message

MAX_OPERATIONS = 1000
"""Messages that are taken in one turn; others go first then."""
MAX_TASK = 50
"""Operations that a worker is given at once."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Something for an entity, as ``turn.Input`` is for an instance. A worker's answer may be no message."""

    event: ToEntity | TaskCompleted | TaskFailed
    execution: str | None = None
    message: Message | None = None
    stored: bool = False


class Pending(msgspec.Struct, frozen=True):
    """An operation that a worker carries out: its message, and whom to tell."""

    id: str
    operation: str
    asker: Asker | None = None
    request: tuple[str, str, str] | None = None


class Busy(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker does for an entity. ``careful`` operations are still to be given one by one."""

    seq: int
    operations: tuple[Pending, ...]
    careful: int = 0


class Reply(NamedTuple):
    """What came of a client's operation, under the request that it made."""

    request: tuple[str, str, str]
    answer: str


class EntityTurn(msgspec.Struct, kw_only=True):
    """What came of one turn, in terms of rows that are to be written.

    ``taken`` inputs have had their effect, ``left`` ones wait. ``ended`` are ids of messages that are not in
    memory and have had theirs. ``replies`` are for clients. ``notes`` say what nobody else is told.
    """

    row: EntityRow | None
    write: EntityWrite | None = None
    taken: list[Heard] = []
    left: list[Heard] = []
    refused: list[Heard] = []
    ended: list[str] = []
    outgoing: list[Message] = []
    replies: list[Reply] = []
    task: EntityTask | None = None
    closed: tuple[str, int] | None = None
    notes: list[str] = []


def take_entity_turn(
    id: str,
    row: EntityRow | None,
    program: LinkedEntity | None,
    inputs: Sequence[Heard],
    now: int,
    *,
    limit: int = MAX_OPERATIONS,
) -> EntityTurn:
    """Give the inputs to the entity, in order. Without a ``program`` its operations are a worker's.

    ``now`` is the store's time in microseconds. Raises ``msgspec.MsgspecError`` for a row that cannot be
    read.
    """
    at = now if row is None else max(now, row.updated_at)
    return _Turning(id, row, program, at, limit).take(list(inputs))


class _Turning:
    """The state of one turn while it is taken."""

    def __init__(
        self, id: str, row: EntityRow | None, program: LinkedEntity | None, at: int, limit: int
    ) -> None:
        self.id = id
        self.type, self.key = entity_at(id)
        self.found = row
        self.program = program
        self.at = at
        self.limit = limit
        self.turn = EntityTurn(row=row)
        self.exists = row is not None and row.state is not None
        self.state: Any = None
        self.lock: Asker | None = None
        self.busy: Busy | None = None
        self.careful = 0
        self.queue: list[Heard] = []
        self.batch: list[Heard] = []
        if row is not None:
            self.state = None if row.state is None else msgspec.json.decode(row.state)
            self.lock = None if row.lock is None else msgspec.json.decode(row.lock, type=Asker)
            self.busy = None if row.task is None else msgspec.json.decode(row.task, type=Busy)
        if not self.exists and program is not None:
            self.state = program.initial

    def take(self, inputs: list[Heard]) -> EntityTurn:
        for each in inputs:
            if isinstance(each.event, TaskCompleted | TaskFailed):
                self._result(each, each.event)
            else:
                self.queue.append(each)
        if self.turn.ended:
            self._forget_ended()
        index = 0
        while self.busy is None and index < len(self.queue) and len(self.turn.taken) < self.limit:
            index = self._hear(index)
        if self.batch:
            self._give_to_worker()
        self.turn.left = self.queue
        self._write()
        return self.turn

    def _forget_ended(self) -> None:
        """Those that are in memory are among the inputs; of the others only the ids are known."""
        ended, left = set(self.turn.ended), list[Heard]()
        for each in self.queue:
            if each.message is not None and each.message.id in ended:
                ended.discard(each.message.id)
                self.turn.taken.append(each)
            else:
                left.append(each)
        self.queue = left
        self.turn.ended = [each for each in self.turn.ended if each in ended]

    def _hear(self, index: int) -> int:
        """Act on the message at an index; returns the index of the next one to look at."""
        each = self.queue[index]
        match each.event:
            case LockReleased(holder=holder):
                if self.batch:
                    return len(self.queue)
                self._taken(index)
                return self._release(holder, index)
            case LockRequested(holder=holder) if self.lock is None:
                if self.batch:
                    return len(self.queue)
                self.lock = holder
                self._taken(index)
                granted = EntityLockGranted(scheduled_seq=holder.seq)
                self.turn.outgoing.append(outgoing.reply(holder, granted))
                return index
            case OperationRequested(holder=holder) if self.lock is None or holder == self.lock:
                return self._operation(index, each, each.event)
            case DeleteRequested() if self.lock is None:
                if self.batch:
                    return len(self.queue)
                self._taken(index)
                self._delete()
                return index
            case _:
                # It waits for the lock to be given back.
                return index + 1

    def _taken(self, index: int) -> Heard:
        each = self.queue.pop(index)
        self.turn.taken.append(each)
        return each

    def _release(self, holder: Asker, index: int) -> int:
        if self.lock == holder:
            self.lock = None
            return 0
        for number, each in enumerate(self.queue):
            if isinstance(each.event, LockRequested) and each.event.holder == holder:
                self._taken(number)
                return index - (number < index)
        return index

    # -- operations -------------------------------------------------------------------------------

    def _operation(self, index: int, each: Heard, event: OperationRequested) -> int:
        assert each.message is not None, "operations come as messages"
        if self.program is None:
            if len(self.batch) < (1 if self.careful else min(self.limit, MAX_TASK)):
                self.batch.append(each)
                return index + 1
            return len(self.queue)
        call = Call(
            id=each.message.id, key=self.key, operation=event.operation, input=event.input, now=self.at
        )
        outcome = self.program.operate(self.state, call)
        self._taken(index)
        if isinstance(outcome, Done) and outcome.deleted:
            self._delete()
        elif isinstance(outcome, Done):
            self.state = outcome.state
            self.exists = True
        self._tell(_pending(each, event), outcome)
        return index

    def _delete(self) -> None:
        self.exists = False
        self.state = None if self.program is None else self.program.initial

    def _tell(self, pending: Pending, outcome: Done | Undone) -> None:
        """Let everybody know what came of an operation, and send what it asks for."""
        if isinstance(outcome, Done):
            self.turn.outgoing += outgoing.of_operation(pending.id, outcome)
        if pending.asker is not None:
            self.turn.outgoing.append(outgoing.operated(pending.asker, outcome))
        elif pending.request is not None:
            self.turn.replies.append(Reply(pending.request, answer_of(outcome)))
        elif isinstance(outcome, Undone):
            self.turn.notes.append(
                f"{self.type}@{self.key}: the signal {pending.operation!r} failed: "
                f"{outcome.error}: {outcome.message}"
            )

    # -- operations in Python -----------------------------------------------------------------------

    def _give_to_worker(self) -> None:
        operations = [(each, each.event) for each in self.batch if isinstance(each.event, OperationRequested)]
        pending = [_pending(each, event) for each, event in operations]
        row = self.found
        version = 1 if row is None else row.version + 1
        self.careful = max(self.careful - 1, 0)
        self.busy = Busy(
            seq=version,
            operations=tuple(pending),
            careful=self.careful,
        )
        self.turn.task = EntityTask(
            instance=self.id,
            execution=self._incarnation,
            seq=version,
            name=f"@{self.type}",
            key=self.key,
            state=self.state if self.exists else None,
            now=self.at,
            operations=tuple(
                Asked(id=each.id, operation=event.operation, input=event.input)
                for each, (_, event) in zip(pending, operations, strict=True)
            ),
        )

    def _result(self, each: Heard, event: TaskCompleted | TaskFailed) -> None:
        """What a worker has made of the operations it was given; a second answer is one too many."""
        row, busy = self.found, self.busy
        if (
            row is None
            or busy is None
            or (each.execution, event.scheduled_seq) != (row.incarnation, busy.seq)
        ):
            self.turn.refused.append(each)
            return
        self.turn.taken.append(each)
        self.turn.closed = (row.incarnation, busy.seq)
        self.busy, self.careful = None, busy.careful
        if isinstance(event, TaskFailed) and event.error == POISON and len(busy.operations) > 1:
            # One of them has killed its workers: nobody knows which, so each goes alone.
            self.careful = len(busy.operations)
            return
        for pending, outcome in zip(busy.operations, self._outcomes(busy, event), strict=True):
            self._tell(pending, outcome)
            self.turn.ended.append(pending.id)

    def _outcomes(self, busy: Busy, event: TaskCompleted | TaskFailed) -> Sequence[Done | Undone]:
        if isinstance(event, TaskFailed):
            return [Undone(error=event.error, message=event.message)] * len(busy.operations)
        try:
            performed = msgspec.convert(event.result, Performed)
            if len(performed.outcomes) != len(busy.operations):
                raise msgspec.ValidationError("it tells of other operations")
        except msgspec.ValidationError as error:
            undone = Undone(error=PAYLOAD, message=f"the worker's answer cannot be read: {error}")
            return [undone] * len(busy.operations)
        self.exists = performed.state is not None
        self.state = performed.state
        return performed.outcomes

    # -- rows -------------------------------------------------------------------------------------

    @property
    def _incarnation(self) -> str:
        if self.found is not None:
            return self.found.incarnation
        first = next(each.message for each in [*self.turn.taken, *self.batch] if each.message is not None)
        return keys.incarnation(first.id)

    def _write(self) -> None:
        """The row as it is after this turn, or none: an entity that is as it began is not kept."""
        found, turn = self.found, self.turn
        state = encode_json(self.state) if self.exists else None
        if self.program is not None and state == encode_json(self.program.initial):
            state = None
        lock = None if self.lock is None else encode_json(self.lock)
        task = None if self.busy is None else encode_json(self.busy)
        if state is None and lock is None and task is None:
            if found is not None:
                turn.row = None
                turn.write = EntityWrite(id=self.id, before=(found.incarnation, found.version), row=None)
            return
        if found is None:
            turn.row = EntityRow(
                id=self.id,
                slot=slot_of(self.id),
                type=self.type,
                key=self.key,
                incarnation=self._incarnation,
                version=1,
                created_at=self.at,
                updated_at=self.at,
                state=state,
                lock=lock,
                task=task,
            )
            turn.write = EntityWrite(id=self.id, before=None, row=turn.row)
            return
        lasting = turn.outgoing or turn.ended or any(each.stored for each in turn.taken)
        if lasting or (found.state, found.lock, found.task) != (state, lock, task):
            turn.row = msgspec.structs.replace(
                found, version=found.version + 1, updated_at=self.at, state=state, lock=lock, task=task
            )
            turn.write = EntityWrite(id=self.id, before=(found.incarnation, found.version), row=turn.row)


def _pending(each: Heard, event: OperationRequested) -> Pending:
    assert each.message is not None, "operations come as messages"
    return Pending(each.message.id, event.operation, event.asker, event.request)


def answer_of(outcome: Done | Undone) -> str:
    """What came of an operation, as a client finds it."""
    if isinstance(outcome, Done):
        return encode_json({"result": outcome.result})
    return encode_json({"error": outcome.error, "message": outcome.message, "data": outcome.data})
