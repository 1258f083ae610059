"""What reaches a member: what its clients ask, how its activities ended, what lies in the database."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.engine import reopening
from perdure.engine.errors import (
    Conflict,
    Ended,
    NotFound,
    PerdureError,
    StoreError,
    Unfit,
)
from perdure.engine.events import is_for_entity, is_reopening
from perdure.engine.instance import Instance, slot_of
from perdure.engine.requests import Ask, Finished, carry_out, check_doubtful, check_repeated
from perdure.engine.sealing import result_message
from perdure.engine.store.rows import LookUp, Message
from perdure.engine.tasks import HandedOver
from perdure.engine.workplace import POLL_EVERY, Workplace

AHEAD = 60_000_000
"""Microseconds of timers that are kept in memory."""

FOR_OTHERS = 200
"""Asks that are carried out in the database in one round, a transaction each: the lease must not run out."""

NOTHING_FOUND = LookUp(instances={}, definitions={}, requests={})


class Intake(Workplace):
    """The duties of a member towards who has something to say."""

    def _take_results(self) -> bool:
        """Results of activities; returns whether there were any."""
        everything = [self.finished.popleft() for _ in range(len(self.finished))]
        handed = [each for each in everything if isinstance(each.event, HandedOver)]
        finished = [each for each in everything if not isinstance(each.event, HandedOver)]
        if handed:
            self._hand_over(handed, finished)
        others = []
        for each in finished:
            if self.owns(each.instance):
                self.owner.result(each.instance, each.execution, each.event)
            else:
                others.append(each)
        if others:
            self._record(others)
        return bool(everything)

    def _hand_over(self, handed: Sequence[Finished], finished: Sequence[Finished]) -> None:
        """Tasks whose activities are completed from outside: their rows wait for that."""
        try:
            self.store.hand_over(self.id, [each.key for each in handed])
        except StoreError:
            self.finished.extendleft(reversed([*handed, *finished]))
            raise
        # They have left their places.
        self._tasks_news = True
        for each in handed:
            if self.owns(each.instance):
                self.owner.hand_over(each.event.row)

    def _record(self, finished: Sequence[Finished]) -> None:
        """Results for whoever owns their instances."""
        messages = [
            result_message(each.instance, slot_of(each.instance), each.execution, each.event)
            for each in finished
        ]
        try:
            self.store.record(messages, [each.key for each in finished])
        except StoreError:
            self.finished.extendleft(reversed(finished))
            raise
        self._tasks_news = True

    def _write_heartbeats(self, tick: float) -> None:
        """What activities report, before the results of those that have ended."""
        heartbeats = self._activities.heartbeats
        beats = heartbeats.due(tick)
        if beats:
            held = self.store.beat(self.id, beats)
            heartbeats.written(beats, tick)
            self._activities.cancel(key for each in beats if (key := (each.execution, each.seq)) not in held)

    def _take_asks(self, count: int) -> bool:
        """What clients ask, the first ``count``; returns whether there was anything."""
        if not count or (self.slots and self._news):
            # With more in the inbox than was read, everybody who asks here waits for it.
            return count > 0
        self._admit([self.asking.popleft() for _ in range(count)])
        return True

    def _admit(self, asks: Sequence[Ask]) -> None:
        """Look up what clients chose, all at once, and give the owner what stands."""
        here, others = list[Ask](), list[Ask]()
        for ask in asks:
            (here if self.owns(ask.message.instance) else others).append(ask)
        self.asking.extendleft(reversed(others[FOR_OTHERS:]))
        for ask in others[:FOR_OTHERS]:
            self._settle(ask)
        if not here:
            return
        asks = here
        keys = [key for ask in asks if (key := ask.key) is not None]
        ids = [ask.message.instance for ask in asks if ask.may_exist]
        try:
            found = self.store.look_up(ids, [], keys) if ids or keys else NOTHING_FOUND
        except Unfit as error:
            if len(asks) == 1:
                asks[0].fail(error)
                return
            # One of them chose what this database cannot even look for.
            self.asking.extendleft(reversed(asks))
            for _ in asks:
                self._admit([self.asking.popleft()])
            return
        except StoreError:
            self.asking.extendleft(reversed(asks))
            raise
        for ask in asks:
            earlier = None if ask.key is None else found.requests.get(ask.key)
            present = found.instances.get(ask.message.instance)
            try:
                if earlier is not None:
                    check_repeated(ask.request, earlier)
                    ask.answer(earlier)
                elif check_doubtful(ask, present):
                    ask.answer()
                else:
                    self._admit_one(ask, present)
            except PerdureError as error:
                ask.fail(error)

    def _admit_one(self, ask: Ask, present: Instance | None) -> None:
        if ask.key in self._keys:
            self.asking.append(ask)
            return
        if is_for_entity(ask.event):
            self.owner.post(ask.message, ask.event, ask.request, ask.audit)
            self._asks[ask.message.id] = ask
            if ask.key is not None:
                self._keys.add(ask.key)
            return
        if ask.in_database(present):
            self._settle(ask)
            return
        if ask.instance is not None:
            assert ask.program is not None, "a start knows its Program"
            if present is not None:
                raise Conflict(f"an instance {present.id!r} exists already ({present.status})")
            if not self.owner.start(
                ask.instance, ask.program, ask.message, ask.event, ask.request, ask.audit
            ):
                self.asking.append(ask)
                return
        elif is_reopening(ask.event):
            reopening.check(ask.message, present)
            self.owner.send(ask.message, ask.event, ask.request, ask.audit)
        elif present is None:
            raise NotFound(f"there is no instance {ask.message.instance!r}")
        elif present.status.ended:
            raise Ended(f"instance {present.id!r} has ended ({present.status})")
        else:
            self.owner.send(ask.message, ask.event, ask.request, ask.audit)
        self._asks[ask.message.id] = ask
        if ask.key is not None:
            self._keys.add(ask.key)

    def _settle(self, ask: Ask) -> None:
        """Carry it out in the database, for whoever owns the slots."""
        try:
            done = ask.doubtful and check_doubtful(ask, self.store.instance(ask.message.instance))
            ask.answer(None if done else carry_out(self.store, ask))
            self._delayed_news = self._delayed_news or ask.message.due > 0
        except PerdureError as error:
            ask.fail(error)

    def _poll(self, now: int, tick: float) -> None:
        """The inbox and the timers, as far as they are due."""
        owner = self.owner
        if self._delayed is not None and self._delayed <= now:
            self._delayed, self._news, self._scheduled = None, True, float("-inf")
        if self._news or tick - self._polled >= self.pace.poll:
            self._read_until, self._delayed_news = now, True
            # Who is told of definitions and workers may have missed it.
            self._types_news = self._types_news or self.pace.told
            limit = self._page + owner.accepted
            messages = self.store.inbox(self.slots, limit)
            owner.accept(messages)
            self._news = len(messages) >= limit
            self._polled = tick
        if owner.timers.horizon < now + AHEAD // 2:
            self._read_timers(now + AHEAD)
        owner.fire(now)

    def next_due(self) -> int | None:
        """When something is due of which nobody tells: a timer, a delayed message or a schedule."""
        if self.slots and self._delayed_news:
            # What is due when it was looked for is there or waits for something else.
            self._delayed = self.store.next_delayed(self.slots, min(self._read_until, self._scheduled_until))
            self._delayed_news = False
        return min(
            (due for due in (self._delayed, self.owner.timers.next()) if due is not None), default=None
        )

    def _read_timers(self, horizon: int) -> None:
        """Read on, by a page or more: many may be due at one time, and those of parked instances stay."""
        timers, limit = self.owner.timers, self._page
        rows = self.store.timers(self.slots, horizon, limit)
        while len(rows) == limit and rows[-1].due <= timers.horizon:
            limit *= 2
            rows = self.store.timers(self.slots, horizon, limit)
        timers.read(rows, rows[-1].due if len(rows) == limit else horizon)

    def _start_scheduled(self, now: int, tick: float) -> bool:
        """Look after the schedules; returns whether there was anything to do."""
        if tick - self._scheduled < min(self.pace.poll, POLL_EVERY):
            return False
        self._scheduled, self._scheduled_until = tick, now
        busy, messages = self._scheduling.round(self.id, self.slots, now, tick)
        self._delayed_news = self._delayed_news or busy
        self._hear(messages, now)
        return busy

    def _hear(self, messages: Sequence[Message], now: int) -> None:
        """Let the owner have messages that are committed.

        With more in the inbox than was read, they are found there, behind what was sent before.
        """
        self._delayed_news = self._delayed_news or any(each.due > now for each in messages)
        if not self._news:
            mine = self.slots
            self.owner.accept(
                each for each in messages if not each.held and each.due <= now and each.slot in mine
            )
