"""What instances have to hear, in memory: messages and timers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from perdure.engine.instance import Status
from perdure.engine.store.memory_payloads import MemoryPayloads
from perdure.engine.store.poison import result_key
from perdure.engine.store.rows import (
    NO_VALUES,
    Key,
    Message,
    TimerRow,
)

_replace = msgspec.structs.replace


class MemoryInbox(MemoryPayloads):
    """The methods of a store."""

    def inbox(self, slots: Iterable[int], limit: int) -> list[Message]:
        with self._read():
            mine, now = frozenset(slots), self._clock.now()
            ready = (
                message
                for _, message in self._oldest()
                if message.slot in mine and message.due <= now and not message.held
            )
            return [
                _replace(message, values=self._values(message.instance, message.event))
                for message, _ in zip(ready, range(limit), strict=False)
            ]

    def in_inbox(self, message_id: str) -> bool:
        with self._read():
            return message_id in self._inbox

    def timers(self, slots: Iterable[int], until: int, limit: int) -> list[TimerRow]:
        with self._read():
            mine = frozenset(slots)
            due = [timer for timer in self._timers.values() if timer.slot in mine and timer.due <= until]
            return sorted(due, key=lambda timer: (timer.due, timer.execution, timer.seq))[:limit]

    def next_timer(self, slots: Iterable[int]) -> int | None:
        with self._read():
            mine = frozenset(slots)
            timers = [
                timer.due
                for timer in self._timers.values()
                if timer.slot in mine
                and (row := self._instances.get(timer.instance)) is not None
                and row.status is not Status.SUSPENDED
            ]
            messages = [
                message.due
                for _, message in self._inbox.values()
                if message.slot in mine and not message.held and message.due > 0
            ]
            return min(timers + messages, default=None)

    def next_delayed(self, slots: Iterable[int], after: int) -> int | None:
        with self._read():
            mine = frozenset(slots)
            times = [(row.slot, row.due) for _, row in self._inbox.values() if not row.held]
            times += [(row.slot, row.due) for row in self._schedules.values() if row.due is not None]
            return min((due for slot, due in times if slot in mine and due > after), default=None)

    def _receive(self, message: Message) -> None:
        self._insert(self._inbox, message.id, (self._next_ord(), _replace(message, values=NO_VALUES)))

    def _answer(self, message: Message) -> None:
        """A result that lies there already is not put there twice."""
        if message.id not in self._inbox:
            self._receive(message)

    def _oldest(self) -> list[tuple[int, Message]]:
        return sorted(self._inbox.values(), key=lambda row: row[0])

    def _hold(self, id_: str) -> None:
        if id_ in self._inbox:
            ord_, message = self._inbox[id_]
            self._put(self._inbox, id_, (ord_, _replace(message, held=True)))

    def _unhold(self, instance: str, count: int) -> None:
        for ord_, message in self._held(instance)[:count]:
            self._put(self._inbox, message.id, (ord_, _replace(message, held=False)))

    def _held(self, instance: str) -> list[tuple[int, Message]]:
        return [
            (ord_, message)
            for ord_, message in self._oldest()
            if message.held and message.instance == instance
        ]

    def _results(self) -> Iterator[Key]:
        for id_, (_, message) in self._inbox.items():
            key = result_key(id_)
            if key is not None and message.kind in {"TaskCompleted", "TaskFailed"}:
                yield key
