"""The owner of slots, without I/O: what it keeps in memory, and what it wants written and done.

A shell drives it: it brings messages, results, due timers and loaded instances (``accept``,
``result``, ``fire``, ``loaded``), asks for a ``Sealed`` batch (``run_ready``), commits it, and says how
that went (``applied``, ``lost``). Nothing may be shown, answered or started before ``applied`` has said
so. Commits are first in, first out. The simulator drives the very same steps.
"""

from __future__ import annotations

import msgspec

from perdure.engine import migrating, orders, parking, residents, sealing
from perdure.engine.admission import Admission
from perdure.engine.events import (
    EventRaised,
    ExecutionCanceled,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    is_beginning,
    is_result,
)
from perdure.engine.hot import Hot, Sealed, Writes
from perdure.engine.loading import Choose, Loading, everybody
from perdure.engine.losses import Losses
from perdure.engine.rewinding import NEVER_BEGAN
from perdure.engine.running import Input, Running
from perdure.engine.turn import take_turn
from perdure.engine.turning import Turn

MOST_ADOPTED = 10_000
"""Tasks of dead owners that get a row in one batch: the database must take it long before a lease is over."""

_CONTROL = (ExecutionSuspended, ExecutionResumed, ExecutionTerminated, ExecutionCanceled)


class Owner(Admission, Loading, Losses):
    """The owner of the slots of one worker: what comes in is heard in turns, and turns become batches."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to load and no turn to take."""
        busy = self._ready or self._wanted or self._unreadable or self._asked
        return not busy and self._rest.empty and self.entities.idle

    def ready(self) -> list[str]:
        """Instances that have something to do and are in memory."""
        return list(self._ready)

    def run_ready(self, now: int, choose: Choose = everybody, *, entities: bool = True) -> Sealed | None:
        """Take the turns of the chosen of those that are ready, up to the limit; None without anything.

        Those of ``entities`` are taken as well, unless somebody has to be alone.
        """
        for message in self._unreadable:
            sealing.bury(self._rest, message, "unreadable", now)
        self._unreadable.clear()
        sealed, self._rest = Sealed(rest=self._rest), Writes()
        limit, self._rest_first = 0 if self._rest_first else self._limit, False
        if len(sealed.rest.adopt) > MOST_ADOPTED:
            # A turn may close one of the others: their rows come before it.
            adopt, self._rest.adopt = sealed.rest.adopt, sealed.rest.adopt[MOST_ADOPTED:]
            sealed.rest.adopt, self._rest_first, limit = adopt[:MOST_ADOPTED], True, 0
        ready = choose(list(self._ready))[:limit]
        if entities:
            self.entities.run_ready(sealed, max(limit - len(ready), limit // 2), now)
        for instance_id in ready:
            del self._ready[instance_id]
            hot = self._hot[instance_id]
            if hot.parked:
                parking.receive(hot, sealed, self._requests, now)
                self._after_parked(hot)
            else:
                assert hot.running is not None, "who is ready is in memory, or parked"
                self._turn(hot, hot.running, sealed, now)
        if not (sealed.own.empty and sealed.rest.empty):
            return sealed
        for turn in sealed.turns:
            # Nothing came of it, so there is nothing to wait for.
            hot = self._hot[turn.hot]
            hot.uncommitted -= 1
            self._settle(hot)
        self.entities.applied(sealed)
        self._evict()
        return None

    def applied(self, sealed: Sealed) -> None:
        """The batch is committed: its effects may be released now."""
        for due, execution, seq, instance in sealed.timers:
            self.timers.add(due, execution, seq, instance)
        for execution, seq in sealed.timers_closed:
            self.timers.close(execution, seq)
        self._starting.clear()
        for writes in (sealed.own, sealed.rest):
            self._accepted.difference_update(writes.settled)
            for instance_id, count in writes.unhold:
                if (known := self._hot.get(instance_id)) is not None:
                    known.released = min(count, known.held)
            for message_id in writes.answers:
                self._requests.pop(message_id, None)
            for message_id, _ in writes.refusals:
                self._requests.pop(message_id, None)
        for turn in sealed.turns:
            hot = self._hot[turn.hot]
            hot.uncommitted -= 1
            hot.fresh = None
            self._settle(hot)
        self.entities.applied(sealed)
        self._limit = min(self._limit * 2, self._turns)
        self._evict()

    # -- turns ------------------------------------------------------------------------------------

    def _turn(self, hot: Hot, running: Running, sealed: Sealed, now: int) -> None:
        if (
            running.instance.status.ended
            and running.past is None
            and orders.order_among(hot.pending) is not None
        ):
            # What it is to go on with is in the database, once its end is: it is forgotten then, and read.
            assert hot.uncommitted, "who has ended is forgotten"
            return
        if hot.fresh is None and not running.migrating and migrating.order_among(hot.pending) is not None:
            # The Program that it is to move to has to replay what is in the database, and nothing else.
            if not hot.uncommitted:
                self._used -= self._resident.pop(hot.id, 0)
                hot.running = None
                self._wake(hot)
            return
        if hot.excess:
            sealing.hold(hot, sealed.rest, self._requests)
        inputs = self._take(hot, running)
        if inputs:
            self._used -= self._resident.pop(hot.id, 0)
            try:
                turn = take_turn(running, inputs, now, self.upgrades)
            except Exception as error:  # noqa: BLE001
                # A fault of ours: it must not stop the other instances, nor be tried for ever.
                self._stop(hot, inputs, f"internal: {type(error).__name__}: {error}", now)
                return
            hot.uncommitted += 1
            hot.pending = turn.left + hot.pending
            if turn.refused:
                inputs = self._ask_again(turn, inputs)
                self.superseded += sum(reason == "superseded" for _, reason in turn.refused)
                sealed.superseded += [
                    (hot.id, each.event.scheduled_seq)
                    for each, reason in turn.refused
                    if reason == "superseded" and is_result(each.event)
                ]
            sealing.seal(hot, turn, inputs, sealed, self._requests, self._offers, now)
            if turn.start is not None:
                self._start_next(hot, turn.start)
        self._more(hot, running, sealed)

    def _take(self, hot: Hot, running: Running) -> list[Input]:
        """The inputs that the instance has room for now; the others stay, in order."""
        order = None if running.past is None else orders.order_among(hot.pending)
        if order is not None:
            hot.pending = [each for each in hot.pending if each is not order]
            return [order]
        move = migrating.order_among(hot.pending) if running.migrating else None
        if move is not None:
            hot.pending = [each for each in hot.pending if each is not move]
            return [move]
        carried = 0
        if running.next_seq == 0:
            if len(hot.pending) > 1:
                hot.pending.sort(key=lambda each: _before_start(each, running.instance.generation))
            start = next((e.event for e in hot.pending if is_beginning(e.event)), None)
            if start is None:
                return _ending(hot, running.instance.generation)
            if isinstance(start, ExecutionStarted):
                if not self.upgrades.knows(start):
                    return []
                carried = len(start.carried)
        state = running.machine.state
        room = residents.MAX_BUFFER - len(state.buffer) - len(state.held) - carried
        if running.instance.status.ended or len(hot.pending) <= room:
            inputs, hot.pending = hot.pending, []
            return inputs
        awaited = _awaited(running)
        inputs, rest = list[Input](), list[Input]()
        for each in hot.pending:
            taken = True
            if isinstance(each.event, EventRaised):
                room -= 1
                # One event of each name that is awaited is heard though the buffer is full of others.
                taken = room >= 0 or each.event.name in awaited
                awaited.discard(each.event.name)
            (inputs if taken else rest).append(each)
        hot.pending = rest
        return inputs

    def _ask_again(self, turn: Turn, inputs: list[Input]) -> list[Input]:
        """Who wanted to wait for an end that has come asks what is there now; returns the other inputs."""
        late = [each for each, _ in turn.refused if orders.is_question(each.event)]
        if not late:
            return inputs
        turn.refused, refused = [], turn.refused
        for each, reason in refused:
            if each not in late:
                turn.refused.append((each, reason))
            else:
                # An order that was refused stays so. Who only came too late to attach may give an order now.
                hopeless = isinstance(each.event, ExecutionRewound) and reason != "superseded"
                self._reconsider([each], hopeless=hopeless, anew=reason == NEVER_BEGAN)
        return [each for each in inputs if each not in late]

    def _start_next(self, hot: Hot, event: ExecutionStarted) -> None:
        """The next generation begins with its own turn, before anything else."""
        message = sealing.next_start(hot, event)
        self._accepted.add(message.id)
        hot.pending.insert(0, Input(event=event, execution=event.execution, message=message, stored=True))
        self._wake(hot)

    def _more(self, hot: Hot, running: Running, sealed: Sealed) -> None:
        """Go on soon if there is room for what waits; else see that it is safe."""
        state = running.machine.state
        if running.next_seq == 0:
            # Before its start is due there is nothing to do with what came for it.
            soon = any(is_beginning(each.event) for each in hot.pending)
        else:
            room = len(state.buffer) + len(state.held) < residents.MAX_BUFFER
            soon = room or running.instance.status.ended
        if hot.pending and (soon or _hears(running, hot.pending)):
            self._wake(hot)
        elif hot.pending:
            self._accepted.update(sealing.write_waiting(hot, sealed.rest, self._requests))
        if not hot.held or hot.released or sealed.rest.unholds(hot.id):
            return
        if running.instance.status.ended:
            # They come back to become dead letters, unless a purge is faster: nobody waits for them.
            sealed.rest.unhold.append((hot.id, hot.held))
            hot.held = 0
        elif len(hot.pending) < residents.MAX_PENDING // 2:
            sealed.rest.unhold.append((hot.id, min(hot.held, residents.MAX_PENDING // 2)))

    def _after_parked(self, hot: Hot) -> None:
        if hot.resuming:
            hot.parked = False
            self._wanted[hot.id] = None
        elif hot.instance is not None and hot.instance.status.ended:
            hot.parked = False
            self._forget(hot)


def _awaited(running: Running) -> set[str]:
    """Names of events that the instance waits for and would act on now."""
    state = running.machine.state
    return set() if state.suspended else {name for name, fibers in state.waiting.items() if fibers}


def _hears(running: Running, inputs: list[Input]) -> bool:
    """Whether an event that is awaited is among the inputs."""
    awaited = _awaited(running)
    return any(isinstance(each.event, EventRaised) and each.event.name in awaited for each in inputs)


def _ending(hot: Hot, generation: int) -> list[Input]:
    """What ends an instance whose start is not due yet; all else waits for that."""
    # A later generation hears of a cancel when it begins, which is soon.
    ends = (ExecutionTerminated, ExecutionCanceled) if generation == 1 else (ExecutionTerminated,)
    end = next((each for each in hot.pending if isinstance(each.event, ends)), None)
    if end is None:
        return []
    hot.pending.remove(end)
    if isinstance(end.event, ExecutionCanceled):
        end = msgspec.structs.replace(end, event=msgspec.structs.replace(end.event, unstarted=True))
    return [end]


def _before_start(each: Input, generation: int) -> int:
    """The order of what comes while a generation has not begun: all else waits for its start.

    Generations that follow each other without a wait would never hear of a suspend, cancel or terminate, so
    these come first, except before there was any generation at all.
    """
    if is_beginning(each.event):
        return 1
    return 0 if generation > 1 and isinstance(each.event, _CONTROL) else 2
