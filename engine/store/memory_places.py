"""Who may run where only so many may at once, in memory: the model of ``store.places``."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from perdure.engine.instance import Instance
from perdure.engine.store.memory_inbox import MemoryInbox
from perdure.engine.store.rows import (
    WAITING,
)

_replace = msgspec.structs.replace


class MemoryPlaces(MemoryInbox):
    """What commits and starts do beside."""

    def _fill_places(self, new: Iterable[Instance], ended: Iterable[Instance]) -> None:
        """Give free places to those that wait, as ``store.places`` does."""
        ended = [each for each in ended if each.concurrency_key is not None]
        for each in ended:
            self._release_start(each)
        keys = {each.concurrency_key for each in [*new, *ended] if each.concurrency_key is not None}
        for key in sorted(keys):
            rows = [one for one in self._instances.values() if one.concurrency_key == key]
            rows = [one for one in rows if not one.status.ended]
            waiting = sorted(
                (one for one in rows if one.waits), key=lambda one: (one.created_at, one.id), reverse=True
            )
            taken = len(rows) - len(waiting)
            while waiting and taken < waiting[-1].concurrency_limit:
                first = waiting.pop()
                self._put(self._instances, first.id, _replace(first, waits=False))
                self._release_start(first)
                taken += 1

    def _release_start(self, instance: Instance) -> None:
        id_ = f"{instance.execution}/start"
        if id_ in self._inbox and self._inbox[id_][1].due >= WAITING:
            ord_, message = self._inbox[id_]
            self._put(self._inbox, id_, (ord_, _replace(message, due=message.due - WAITING)))
