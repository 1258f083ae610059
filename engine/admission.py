"""What reaches an owner: the inbox, clients' messages, results, due timers, starts that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from perdure.engine import orders
from perdure.engine.addresses import is_entity
from perdure.engine.codec import decode_received
from perdure.engine.events import (
    Received,
    StartRequested,
    TimerFired,
    ToEntity,
    is_for_entity,
)
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.residents import Residents
from perdure.engine.running import Input, Running
from perdure.engine.starting import Asked, Found, admit
from perdure.engine.store.rows import AuditEntry, Message, Request, TaskRow


class Admission(Residents):
    """The part of an owner that lets things in. Nothing is acted on before a turn hears of it."""

    @property
    def accepted(self) -> int:
        """Inbox rows that are in memory and not deleted yet: add them to the length of a page."""
        return len(self._accepted)

    def accept(self, messages: Iterable[Message]) -> None:
        """Rows of the inbox, oldest first. Those that are known already change nothing."""
        for message in messages:
            if message.id in self._accepted:
                continue
            self._accepted.add(message.id)
            try:
                event = decode_received(message.event, message.values)
            except msgspec.MsgspecError:
                self._unreadable.append(message)
                continue
            if is_entity(message.instance):
                self.entities.accept(message, event)
                continue
            if isinstance(event, StartRequested):
                self._asked.append(Asked(message, event))
                continue
            if is_for_entity(event) or orders.is_question(event):
                # Nobody sends an instance this: who waits for an end has asked for a start.
                self._unreadable.append(message)
                continue
            each = Input(event=event, execution=message.execution, message=message, stored=True)
            hot = self._of(message.instance)
            if hot.released:
                hot.released -= 1
                hot.held -= 1
                hot.pending.append(each)
            else:
                self._queue(hot, each)
            self._wake(hot)

    def send(
        self, message: Message, event: Received, request: Request | None, audit: AuditEntry | None = None
    ) -> None:
        """A client of this process says something to an instance that exists; see ``answers``."""
        self._remember(message, request, audit)
        hot = self._of(message.instance)
        self._queue(hot, Input(event=event, execution=message.execution, message=message))
        self._wake(hot)

    def post(
        self, message: Message, event: ToEntity, request: Request | None, audit: AuditEntry | None = None
    ) -> None:
        """A client of this process says something to an entity; see ``answers`` and ``outcomes``."""
        self._remember(message, request, audit)
        self.entities.send(message, event)

    def start(
        self,
        instance: Instance,
        program: LinkedProgram,
        message: Message,
        event: Received,
        request: Request | None,
        audit: AuditEntry | None = None,
    ) -> bool:
        """A client of this process starts an instance whose id the database does not have.

        False, and nothing happens, while another start of this id is on its way.
        """
        if instance.id in self._hot:
            return False
        self._remember(message, request, audit)
        hot = self._of(instance.id)
        hot.instance, hot.fresh = instance, (instance, program)
        hot.running = Running(instance, program)
        hot.pending.append(Input(event=event, message=message))
        self._wake(hot)
        return True

    def result(self, instance: str, execution: str, event: Received) -> None:
        """An activity, or operations of an entity, that ran in this process have ended."""
        if is_entity(instance):
            self.entities.result(instance, execution, event)
            return
        hot = self._of(instance)
        hot.pending.append(Input(event=event, execution=execution))
        self._wake(hot)

    def hand_over(self, row: TaskRow) -> None:
        """An activity that ran in this process is to be completed from outside: its task gets a row.

        Of one that has a row already, or that nobody waits for, nothing is done.
        """
        hot, key = self._of(row.instance), (row.execution, row.seq)
        if key in hot.eager:
            hot.eager.discard(key)
            hot.rows.add(key)
            self._rest.adopt.append(row)

    def fire(self, now: int) -> None:
        """Timers that are due at ``now``, the store's time."""
        for instance, execution, seq in self.timers.due(now):
            hot = self._of(instance)
            hot.pending.append(Input(event=TimerFired(scheduled_seq=seq), execution=execution))
            self._wake(hot)

    def asked(self, limit: int) -> list[Asked]:
        """Starts to be admitted, oldest first, each id once and none that is on its way here already."""
        if self._rest_first:
            return []
        found: dict[str, Asked] = {}
        for each in self._asked:
            hot = self._hot.get(each.message.instance)
            if hot is None or (hot.fresh is None and not hot.uncommitted):
                found.setdefault(each.message.instance, each)
            if len(found) == limit:
                break
        return list(found.values())

    def admit(self, asked: Sequence[Asked], found: Sequence[Found], now: int) -> None:
        """Start what was asked for, as the database allows; ``found`` is of this moment."""
        done = {each.message.id for each in asked}
        self._asked = [each for each in self._asked if each.message.id not in done]
        for each, present in zip(asked, found, strict=True):
            heard = admit(self._rest, each, present, now)
            if heard is None:
                self._starting.add(each.message.instance)
            else:
                hot = self._of(each.message.instance)
                hot.pending.append(heard)
                self._wake(hot)
