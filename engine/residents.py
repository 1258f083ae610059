"""The instances in the memory of an owner: which have something to do, and which may be forgotten.

What the parts of an owner share: it is changed by what arrives (``admission``), what is read (``loading``),
what is done (``owner``) and what could not be written (``losses``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from perdure.engine import sealing
from perdure.engine.codec import decode_received
from perdure.engine.entity_owner import EntityOwner
from perdure.engine.events import (
    EventRaised,
    ExecutionResumed,
    StartRequested,
)
from perdure.engine.hot import Hot, Writes
from perdure.engine.instance import Instance, Status
from perdure.engine.running import Input
from perdure.engine.starting import Asked
from perdure.engine.store.rows import AuditEntry, Message, Parking, Request
from perdure.engine.timers import Timers
from perdure.engine.upgrading import Upgrades

MAX_BUFFER = 256
"""Events that an instance keeps and nobody awaits. The rest stays in the inbox, in order."""
MAX_PENDING = 1024
"""Inputs that wait in memory for one instance; events beyond are set aside in the inbox."""
MAX_TURNS = 1000
"""Turns of one batch."""

Offers = Callable[[str, str | None], bool]
"""Whether activities of a name run in this process, for instances with or without a private queue."""


class Residents:
    """The hot state of the slots that one worker owns.

    ``memory`` bounds, in bytes of history, what is kept of instances that have nothing to do. With 0
    every turn begins from the database.
    """

    def __init__(self, offers: Offers, *, memory: int = 64 << 20, turns: int = MAX_TURNS) -> None:
        self.timers = Timers()
        self.superseded = 0
        """Results that came for a task that was closed already."""
        self.upgrades = Upgrades()
        """Which versions the generations that begin may run; whoever drives this looks them up."""
        self._offers = offers
        self._memory = memory
        self._hot: dict[str, Hot] = {}
        self._ready: dict[str, None] = {}
        self._wanted: dict[str, None] = {}
        self._resident: dict[str, int] = {}
        """Bytes of each instance that has nothing to do, the one that was idle longest first."""
        self._used = 0
        self._accepted: set[str] = set()
        self._unreadable: list[Message] = []
        """Rows of the inbox that are no event: one of them must not stop all the others."""
        self._asked: list[Asked] = []
        """Starts that other instances ask for."""
        self._starting: set[str] = set()
        """Instances whose row the next commit writes: they cannot be loaded before."""
        self._requests: sealing.Requests = {}
        self.entities = EntityOwner(self._accepted, self._requests, memory=memory)
        self._rest = Writes()
        self._rest_first = False
        """What follows from no turn is written before anything is loaded or another turn is taken."""
        self._turns = self._limit = turns

    def _of(self, instance_id: str) -> Hot:
        hot = self._hot.get(instance_id)
        if hot is None:
            hot = self._hot[instance_id] = Hot(instance_id)
        return hot

    def _remember(self, message: Message, request: Request | None, audit: AuditEntry | None) -> None:
        if request is not None or audit is not None:
            self._requests[message.id] = sealing.Beside(request, audit)

    def _wake(self, hot: Hot) -> None:
        if hot.running is not None or hot.parked:
            self._ready[hot.id] = None
        else:
            self._wanted[hot.id] = None

    def _queue(self, hot: Hot, each: Input) -> None:
        """Behind what waits already: in memory, or in the inbox when there is too much."""
        full = hot.held > 0 or bool(hot.excess) or len(hot.pending) >= MAX_PENDING
        (hot.excess if full and isinstance(each.event, EventRaised) else hot.pending).append(each)

    def _settle(self, hot: Hot) -> None:
        """It has nothing to do for now: it may be forgotten, and is if it has ended."""
        running = hot.running
        if running is None or hot.uncommitted or hot.fresh is not None:
            return
        if running.instance.status.ended:
            # By the time that what is left is looked at, there may be another instance of this id.
            self._forget(hot)
            if hot.pending or hot.excess:
                self._ready.pop(hot.id, None)
                self._wake(hot)
            return
        self._used += running.size - self._resident.pop(hot.id, 0)
        self._resident[hot.id] = running.size

    def _evict(self) -> None:
        """Forget instances, the one that was idle longest first, until the rest fits."""
        while self._used > self._memory and self._resident:
            hot = self._hot[next(iter(self._resident))]
            self._forget(hot)
            if hot.pending or hot.excess:
                self._ready.pop(hot.id, None)
                self._wake(hot)

    def _forget(self, hot: Hot) -> None:
        self._used -= self._resident.pop(hot.id, 0)
        hot.running = None
        if hot.idle:
            self._hot.pop(hot.id, None)
            self._ready.pop(hot.id, None)
            self._wanted.pop(hot.id, None)

    def _park(self, hot: Hot, instance: Instance, reason: str, now: int) -> None:
        """Suspend an instance that cannot go on; what comes for it is set aside."""
        hot.running, hot.parked = None, True
        hot.instance = instance
        for each in hot.pending:
            if isinstance(each.event, ExecutionResumed):
                sealing.settle(self._rest, each, self._requests)
        hot.pending = [each for each in hot.pending if not isinstance(each.event, ExecutionResumed)]
        if instance.status is not Status.SUSPENDED or instance.reason != reason:
            hot.instance = msgspec.structs.replace(
                instance, status=Status.SUSPENDED, reason=reason, updated_at=now
            )
            self._rest.parkings.append(Parking(instance=hot.instance, before=instance.status))
            self._rest.changed.append(hot.instance)
        self._wake(hot)

    def _reconsider(self, late: Iterable[Input], *, hopeless: bool = False, anew: bool = False) -> None:
        """Ask once more for what is there now. What is ``hopeless`` does not go on; it may start ``anew``."""
        for each in late:
            assert each.message is not None, "who attaches a parent has sent a message"
            event = decode_received(each.message.event, each.message.values)
            assert isinstance(event, StartRequested), "a start was what it asked for"
            if hopeless:
                instead = "replace_ended" if anew else "reuse"
                event = msgspec.structs.replace(event, again=False, if_exists=instead)
            self._asked.append(Asked(each.message, event))
