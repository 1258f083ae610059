"""Subscriptions in memory: the model of ``store.subscriptions``."""

from __future__ import annotations

import msgspec

from perdure.engine.store.memory_inbox import MemoryInbox
from perdure.engine.store.rows import Checkpoint, Publication, Request, SubscriptionRow


class MemorySubscriptions(MemoryInbox):
    """The methods of a store."""

    def _subscribe(self, turn: Checkpoint) -> None:
        if turn.unsubscribes:
            for key in [key for key in self._subscriptions if key[0] == turn.execution]:
                self._delete(self._subscriptions, key)
        for row in turn.subscriptions:
            if (row.execution, row.number) not in self._subscriptions:
                self._put(self._subscriptions, (row.execution, row.number), row)
        for key in turn.subscriptions_closed:
            self._delete(self._subscriptions, key)

    def waited(self, name: str) -> list[tuple[str, int]]:
        with self._read():
            return sorted({(row.digest, row.op) for row in self._subscriptions.values() if row.name == name})

    def publish(
        self, publication: Publication, request: Request | None
    ) -> tuple[Request | None, tuple[str, ...]]:
        with self._write():
            key = ("", "", "") if request is None else (request.route, request.target, request.key)
            if request is not None and key in self._requests:
                return self._requests[key], ()
            first: dict[str, SubscriptionRow] = {}
            for row in sorted(self._subscriptions.values(), key=_age):
                if row.name == publication.name and (row.digest, row.op, row.key) in publication.to:
                    first.setdefault(row.instance, row)
            for row in first.values():
                if row.once:
                    self._delete(self._subscriptions, (row.execution, row.number))
                self._receive(publication.message(row))
            if request is not None and first:
                answer = msgspec.json.encode(tuple(first)).decode()
                self._remember(msgspec.structs.replace(request, answer=answer), self.time())
            return None, tuple(first)


def _age(row: SubscriptionRow) -> tuple[str, int, str]:
    return row.instance, row.number, row.execution
