"""Dead letters in memory: the model of ``store.letters``."""

from __future__ import annotations

import msgspec

from perdure.engine.errors import NotFound
from perdure.engine.store.letters import check_redelivery, redelivery
from perdure.engine.store.memory_inbox import MemoryInbox
from perdure.engine.store.rows import AuditEntry, DeadLetter, Request

_replace = msgspec.structs.replace


class MemoryLetters(MemoryInbox):
    """The methods of a store."""

    def _add_letter(self, letter: DeadLetter) -> None:
        """Numbered on their own; a number is used once, though its letter goes."""
        ord_ = self._numbers["ord"] + 1
        self._put(self._numbers, "ord", ord_)
        self._put(self._dead_letters, ord_, _replace(letter, ord=ord_))

    def dead_letters(
        self, instance_id: str | None = None, limit: int = 100, before: int | None = None
    ) -> list[DeadLetter]:
        with self._read():
            newest = [self._dead_letters[ord_] for ord_ in sorted(self._dead_letters, reverse=True)]
        found = [row for row in newest if instance_id is None or row.instance == instance_id]
        return [row for row in found if before is None or row.ord < before][:limit]

    def dead_letter(self, ord: int) -> DeadLetter | None:
        with self._read():
            return self._dead_letters.get(ord)

    def redeliver(
        self, ord: int, message_id: str, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            letter = self._letter(ord)
            check_redelivery(letter, self._instances.get(letter.instance))
            self._delete(self._dead_letters, ord)
            self._receive(redelivery(letter, message_id))
            self._note(audit, self.time())
            return None

    def discard(self, ord: int, request: Request | None, audit: AuditEntry | None = None) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            self._delete(self._dead_letters, self._letter(ord).ord)
            self._note(audit, self.time())
            return None

    def _letter(self, ord: int) -> DeadLetter:
        if ord not in self._dead_letters:
            raise NotFound(f"there is no dead letter {ord}")
        return self._dead_letters[ord]
