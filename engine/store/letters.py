"""When a dead letter may be delivered after all, and as what.

A message is sent again as it was, under a new id. A poison task is not: its instance has heard that the
task failed, and may have acted on it. What failed is run again by a rewind of the instance.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager

from perdure.engine.errors import Conflict, Ended, NotFound
from perdure.engine.instance import Instance, slot_of
from perdure.engine.store import statements as s
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.races import Raced, retried
from perdure.engine.store.records import to_dead_letter, to_instance
from perdure.engine.store.repeats import carried_out
from perdure.engine.store.rows import AuditEntry, DeadLetter, Message, Request
from perdure.engine.store.transaction import Transaction


def check_redelivery(letter: DeadLetter, receiver: Instance | None) -> None:
    """Raises what ``Store.redeliver`` promises; ``receiver`` is the row of the letter's instance."""
    if letter.is_task:
        raise Conflict(
            f"The dead letter {letter.ord} is a task, and its instance has heard that it failed.",
            hint=f"what failed runs again after: perdure rewind {letter.instance}",
        )
    if letter.instance.startswith("@"):
        return
    if receiver is None:
        raise NotFound(f"there is no instance {letter.instance!r}", hint="start it, then deliver again")
    if receiver.status.ended:
        raise Ended(f"instance {letter.instance!r} has ended ({receiver.status})")
    if letter.execution not in (None, receiver.execution):
        raise Conflict(f"The dead letter {letter.ord} answers an execution that is over.")


def redelivery(letter: DeadLetter, message_id: str) -> Message:
    """The message that the letter was."""
    return Message(
        id=message_id,
        instance=letter.instance,
        slot=slot_of(letter.instance),
        kind=letter.kind,
        event=letter.event,
        execution=letter.execution,
    )


class SqlLetters(ABC):
    """The methods of a store in an SQL database."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...
    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...

    def dead_letters(
        self, instance_id: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[DeadLetter]:
        page = {"limit": limit, "before": 2**62 if before is None else before}
        with self._read() as tx:
            if instance_id is None:
                rows = tx.rows(s.DEAD_LETTERS, **page)
            else:
                rows = tx.rows(s.DEAD_LETTERS_OF, the_instance=instance_id, **page)
            return [to_dead_letter(row) for row in rows]

    def dead_letter(self, ord: int) -> DeadLetter | None:
        with self._read() as tx:
            row = tx.row(s.DEAD_LETTER, the_ord=ord)
            return None if row is None else to_dead_letter(row)

    @retried
    def redeliver(
        self, ord: int, message_id: str, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write() as tx:
            if before := carried_out(tx, request):
                return before
            letter = _letter(tx, ord)
            row = tx.row(s.INSTANCE, the_id=letter.instance)
            check_redelivery(letter, None if row is None else to_instance(row))
            _take(tx, ord)
            tx.structs(s.INBOX_INSERT, [redelivery(letter, message_id)])
            write_audit(tx, [audit])
            return None

    @retried
    def discard(self, ord: int, request: Request | None, audit: AuditEntry | None = None) -> Request | None:
        with self._write() as tx:
            if before := carried_out(tx, request):
                return before
            _take(tx, _letter(tx, ord).ord)
            write_audit(tx, [audit])
            return None


def _take(tx: Transaction, ord_: int) -> None:
    """Delete it; somebody else may do the same."""
    if not tx.run(s.DEAD_LETTER_DELETE, the_ord=ord_):
        raise Raced


def _letter(tx: Transaction, ord_: int) -> DeadLetter:
    row = tx.row(s.DEAD_LETTER, the_ord=ord_)
    if row is None:
        raise NotFound(f"there is no dead letter {ord_}")
    return to_dead_letter(row)
