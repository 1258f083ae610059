"""A store whose writers tell other processes what is committed: what there is to tell, and whom it concerns.

How a notice gets to others is the matter of each such store.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy.sql.expression import Executable

from perdure.engine.store import places
from perdure.engine.store import statements as s
from perdure.engine.store.notices import ALL_SLOTS, Notice, Told
from perdure.engine.store.rows import TaskRow, Worker
from perdure.engine.store.sql import SqlStore
from perdure.engine.store.transaction import Compiler, Connection, Transaction

_TASKS, _MEMBERS, _DEFINITIONS = Notice(tasks=True), Notice(members=True), Notice(definitions=True)
NOTICES: dict[Executable, Notice] = {
    # Who waited for a place may belong to anybody.
    places.START_RELEASE: Notice(slots=ALL_SLOTS),
    s.TASKS_FREE: _TASKS,
    s.TASK_GIVE_BACK: _TASKS,
    # It may have had one of few places.
    s.TASK_DELETE: _TASKS,
    s.QUEUE_PUT: _TASKS,
    s.QUEUE_DELETE: _TASKS,
    s.WORKER_INSERT: _MEMBERS,
    s.WORKER_STATE: _MEMBERS,
    s.WORKER_DRAIN: _MEMBERS,
    s.SLOTS_FREE: _MEMBERS,
    s.SLOTS_CRASHED: _MEMBERS,
    s.SLOTS_RELEASE: _MEMBERS,
    s.SLOTS_TAKE: _MEMBERS,
    s.SLOTS_TAKE_ALL: _MEMBERS,
    s.DEFINITION_ACTIVATE: _DEFINITIONS,
    s.DEFINITION_RETIRE: _DEFINITIONS,
}
"""What there is to be told of a statement that has hit a row."""
MESSAGES = (s.INBOX_INSERT, s.INBOX_INSERT_NEW)
"""Of these it is the slots of the rows."""


class Noting(Transaction):
    """A transaction that notes what others are to be told when it is committed."""

    def __init__(self, connection: Connection, compiler: Compiler, now: int) -> None:
        super().__init__(connection, compiler, now)
        self.notice = Notice()

    def run(self, statement: Executable, **parameters: Any) -> int:
        return self._noted(statement, super().run(statement, **parameters))

    def tuples(self, statement: Executable, rows: Sequence[tuple[Any, ...]]) -> int:
        return self._noted(statement, super().tuples(statement, rows), rows)

    def _noted(self, statement: Executable, count: int, rows: Sequence[tuple[Any, ...]] = ()) -> int:
        if rows and statement in MESSAGES:
            place = self._compiler(statement).parameters.index("slot")
            self.notice |= Notice(slots=frozenset(row[place] for row in rows))
        elif rows and statement is s.TASK_INSERT:
            place = self._compiler(statement).parameters.index("worker")
            if any(row[place] is None for row in rows):
                self.notice |= _TASKS
        if count and (notice := NOTICES.get(statement)) is not None:
            self.notice |= notice
        return count


class Telling(SqlStore):
    """Tells others after each commit, and its own workers what they are to know of others' commits."""

    def __init__(self) -> None:
        self._slots: dict[str, frozenset[int]] = {}
        """Of each worker of this process, its own."""
        self._told: dict[object, Told] = {}

    @abstractmethod
    def _send(self, notice: Notice) -> None:
        """Let all other processes have it, some time."""

    @abstractmethod
    def _listen_or_not(self) -> None:
        """Begin to listen if anybody wants to be told, or end it if nobody does."""

    def listen(self, told: Told, /) -> Callable[[], None]:
        """Listen until it is undone."""
        key = object()
        self._told[key] = told
        self._listen_or_not()

        def undo() -> None:
            if self._told.pop(key, None) is not None:
                self._listen_or_not()

        return undo

    def _tell(self, notice: Notice, *, quiet: bool) -> None:
        """Tell others what is committed; and this process, if it does not know it by itself."""
        if notice:
            self._send(notice)
            if not quiet:
                self._hear(notice)

    def _tell_of_own(self, notice: Notice) -> None:
        """The same of what a worker of this process has written: its own slots concern nobody else."""
        self._tell(notice.without(self._owned), quiet=True)

    def _hear(self, notice: Notice) -> None:
        """Messages for others' slots are nothing to this process."""
        if notice.slots & self._owned or any(notice[1:]):
            for told in tuple(self._told.values()):
                told(notice.members)

    def _deaf(self) -> None:
        """It has stopped to listen: whoever rests is to look again, and from now on by itself."""
        self._hear(_TASKS)

    @property
    def _owned(self) -> frozenset[int]:
        return frozenset().union(*self._slots.values())

    # -- whose slots ------------------------------------------------------------------------------

    def rejoin(self, old: Sequence[str], worker: Worker, lease: int) -> frozenset[int]:
        slots = self._slots[worker.id] = super().rejoin(old, worker, lease)
        return slots

    def take_slots(self, worker: str, slots: Collection[int] | None = None) -> frozenset[int]:
        taken = self._slots[worker] = super().take_slots(worker, slots)
        return taken

    def release_slots(self, worker: str, slots: Collection[int], tasks: Sequence[TaskRow]) -> None:
        super().release_slots(worker, slots, tasks)
        self._slots[worker] = self._slots.get(worker, frozenset()) - frozenset(slots)
