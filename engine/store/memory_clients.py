"""What clients ask of a store in memory: to start and tell instances, and to look at them."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.engine import reopening
from perdure.engine.errors import Ended, NotFound
from perdure.engine.instance import Instance
from perdure.engine.store.memory_definitions import MemoryDefinitions
from perdure.engine.store.memory_grooming import MemoryGrooming
from perdure.engine.store.memory_listing import page
from perdure.engine.store.memory_places import MemoryPlaces
from perdure.engine.store.reuse import on_start
from perdure.engine.store.rows import (
    AuditEntry,
    AuditQuery,
    HistoryRow,
    IfExists,
    InstanceQuery,
    LookUp,
    Message,
    PayloadRow,
    Request,
)


class MemoryClients(MemoryDefinitions, MemoryGrooming, MemoryPlaces):
    """The methods of a store."""

    def look_up(
        self,
        ids: Sequence[str],
        definitions: Sequence[tuple[str, str | None]],
        requests: Sequence[tuple[str, str, str]],
    ) -> LookUp:
        with self._read():
            versions = {key: self._definition(*key) for key in definitions}
            return LookUp(
                instances={id_: self._instances[id_] for id_ in ids if id_ in self._instances},
                definitions={key: found for key, found in versions.items() if found is not None},
                requests={key: self._requests[key] for key in requests if key in self._requests},
            )

    def start(
        self,
        instance: Instance,
        payload: PayloadRow,
        message: Message,
        request: Request | None,
        audit: AuditEntry | None = None,
        *,
        if_exists: IfExists = "reject",
        event: Message | None = None,
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            present = self._instances.get(instance.id)
            outcome = on_start(instance.id, present, if_exists, tells=event is not None)
            if outcome == "nothing":
                return None
            if outcome == "tell" and event is not None:
                self._receive(event)
                return None
            if outcome == "replace" and present is not None:
                self._remove_family(present)
            self._insert(self._instances, instance.id, instance)
            self._keep(payload)
            for key, value in message.values.items():
                self._keep(PayloadRow(instance=instance.id, key=key, value=value))
            self._receive(message)
            if event is not None:
                self._receive(event)
            self._fill_places([instance], [])
            self._note(audit, self._clock.now())
            return None

    def send(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            instance = self._instances.get(message.instance)
            if instance is None:
                raise NotFound(f"there is no instance {message.instance!r}")
            if instance.status.ended:
                raise Ended(f"instance {message.instance!r} has ended ({instance.status})")
            self._receive(message)
            self._note(audit, self._clock.now())
            return None

    def post(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            self._receive(message)
            self._note(audit, self._clock.now())
            return None

    def forget_request(self, route: str, target: str, key: str) -> None:
        with self._write():
            self._delete(self._requests, (route, target, key))

    def reopen(
        self, message: Message, request: Request | None, audit: AuditEntry | None = None
    ) -> Request | None:
        with self._write():
            if before := self._carried_out(request):
                return before
            reopening.check(message, self._instances.get(message.instance))
            self._receive(message)
            self._note(audit, self._clock.now())
            return None

    def instance(self, instance_id: str) -> Instance | None:
        with self._read():
            return self._instances.get(instance_id)

    def instances(self, query: InstanceQuery) -> list[Instance]:
        with self._read():
            return page(self._instances.values(), query)

    def history(self, instance_id: str, generation: int, after: int, limit: int) -> list[HistoryRow]:
        with self._read():
            rows = self._history.get((instance_id, generation), {})
            return [self._whole(rows[seq]) for seq in sorted(rows) if seq >= after][:limit]

    def audit(self, query: AuditQuery) -> list[AuditEntry]:
        with self._read():
            newest = [self._audit[ord_] for ord_ in sorted(self._audit, reverse=True)]
        return [entry for entry in newest if _wanted(entry, query)][: query.limit]


def _wanted(entry: AuditEntry, query: AuditQuery) -> bool:
    return (
        query.target in (None, entry.target)
        and query.action in (None, entry.action)
        and query.actor in (None, entry.actor)
        and (query.before is None or entry.ord < query.before)
    )
