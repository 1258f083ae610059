"""What operators ask of a hub: who did what, and what could not be delivered."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine import audit, dead_letters
from perdure.engine.caller import Caller
from perdure.engine.cursors import valid_limit
from perdure.engine.errors import NotFound
from perdure.engine.hub_counts import hub_counts
from perdure.engine.ids import ordered_id
from perdure.engine.requests import keyed_request
from perdure.engine.statistics import statistics
from perdure.engine.store.rows import AuditEntry
from perdure.engine.views import worker_view


class Operations(Caller):
    """The part of a client that is for operators."""

    def audit(
        self,
        *,
        target: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """What operators did, newest first: ``items`` and ``next``. Raises ``UserError`` for a bad cursor."""
        return audit.page(
            self.store, target=target, action=action, actor=actor, limit=valid_limit(limit), cursor=cursor
        )

    def statistics(self, instance: str) -> dict[str, Any]:
        """Events, bytes, attempts and seconds of an instance's history by steps. Raises ``NotFound``."""
        found = self.store.with_payloads([instance]).get(instance)
        if found is None:
            raise NotFound(f"there is no instance {instance!r}")
        row, payloads = found
        return statistics(self.store, row, payloads.get("error"), self._programs)

    def stats(self) -> dict[str, Any]:
        """How many instances, tasks, messages and the like the hub has; no history is read for it."""
        return hub_counts(self.store)

    def workers(self) -> list[dict[str, Any]]:
        """The live workers of the hub, oldest first, with how many slots and claimed tasks they have."""
        slots = self.store.owned_slots()
        return [
            {
                **worker_view(each),
                "slots": slots.get(each.id, 0),
                "tasks": len(self.store.claimed(each.id)),
            }
            for each in self.store.workers()
        ]

    def drain_worker(self, worker: str) -> dict[str, Any]:
        """Ask a live worker to give its slots to others and leave; audited. Raises ``NotFound``."""
        if not self.store.drain(worker, audit.entry(self.actor, "worker.drain", worker)):
            raise NotFound(f"there is no live worker {worker!r}")
        return {"id": worker}

    def dead_letters(
        self, instance: str | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """What could not be delivered, newest first, without payloads: ``items`` and ``next``.

        Raises ``UserError`` for a bad cursor.
        """
        return dead_letters.page(self.store, instance, valid_limit(limit), cursor)

    def dead_letter(self, number: int) -> dict[str, Any]:
        """One of them, with its payload. Raises ``NotFound``."""
        return dead_letters.whole(dead_letters.find(self.store, number))

    def retry_dead_letter(self, number: int, *, request_key: str | None = None) -> dict[str, Any]:
        """Deliver one after all, as a new message; the letter goes.

        With a ``request_key`` it may be repeated. Raises ``NotFound`` for a letter or a receiver that is
        not there, ``Ended``, and ``Conflict`` for what cannot be delivered again.
        """
        message = ordered_id()
        request = keyed_request("dead_letter.retry", str(number), request_key, {})
        if request is not None:
            request = msgspec.structs.replace(request, answer=message)
        earlier = self.store.redeliver(number, message, request, self._about("dead_letter.retry", number))
        return {"number": number, "message": message if earlier is None else earlier.answer}

    def discard_dead_letter(self, number: int, *, request_key: str | None = None) -> dict[str, Any]:
        """Delete one. With a ``request_key`` it may be repeated. Raises ``NotFound``."""
        request = keyed_request("dead_letter.discard", str(number), request_key, {})
        self.store.discard(number, request, self._about("dead_letter.discard", number))
        return {"number": number}

    def _about(self, action: str, number: int) -> AuditEntry | None:
        """Who does it; None without a letter, of which the store says that it is not there."""
        letter = self.store.dead_letter(number)
        if letter is None:
            return None
        return audit.entry(self.actor, action, letter.instance, letter=number, message=letter.id)
