"""What a member of the hub does, one step after the other: join, rounds of work, leave.

No thread and no sleep: ``worker`` runs the steps on a thread of its own, and the simulator in an order of
its choice. Errors of the store pass through; whoever calls says ``rejoin`` after ``FenceLost`` and
``OutcomeUnknown`` and tries again after any other. Nothing is lost and nothing is shown either way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from perdure.engine import clock
from perdure.engine.claims import Claims
from perdure.engine.errors import (
    Busy,
    FenceLost,
    OutcomeUnknown,
    Refused,
    StoreError,
)
from perdure.engine.hot import Sealed
from perdure.engine.instance import Status
from perdure.engine.intake import Intake
from perdure.engine.joining import Joining
from perdure.engine.resolving import entity_kinds, look_up, look_up_versions
from perdure.engine.store.rows import Batch
from perdure.engine.suspects import MAX_DEATHS, why_parked
from perdure.engine.views import row_views

GROOM_EVERY = 20.0
"""Seconds between looks for what is over and may go."""
GROOM_AGAIN = 1.0
"""The same while there is more of it than goes at once."""
GROOM_INSTANCES = 100
GROOM_ROWS = 2000
"""What goes at once, so that nobody waits for long: so many instances, and no more after so many rows."""
REQUESTS_KEPT = 7 * 24 * 3600 * 1_000_000
"""Microseconds that it is remembered what was carried out under a key."""
MAX_REFUSALS = 3
"""Batches with one client's message alone that are tried before the client is told."""

_log = logging.getLogger("perdure.worker")
_workflow_log = logging.getLogger("perdure.workflow")


class Duties(Claims, Intake, Joining):
    """The work of one member, under an id of its own that its commits renew."""

    def round(self) -> bool:
        """Everything once; returns whether there was anything to do."""
        now, tick = self.store.time(), clock.monotonic()
        if tick - self._looked >= self.pace.members:
            self._looked = tick
            self._look_at_members(now, tick)
        # Whoever asks here may have heard before that a message elsewhere is safe: that one comes first.
        asks = len(self.asking)
        told, self._told = self._told, False
        if told or ((asks or not self.pace.told) and self.store.changed()):
            self._news = self._tasks_news = self._types_news = True
            self.owner.upgrades.forget()
        if self.slots:
            self._poll(now, tick)
        self._write_heartbeats(tick)
        busy = self._take_results()
        busy = self._take_asks(asks) or busy
        if self.slots:
            busy = self._start_scheduled(now, tick) or busy
            busy = self._take_turns(now) or busy
        self._stay(tick)
        if self.slots and self._suspects.calm(tick):
            self.store.calm(self.id)
            self._suspects.trust()
        if self._has_chores and tick >= self._groom_at:
            self._groom(now, tick)
        busy = self._claim(tick) or busy
        self._activities.tend(tick)
        return busy

    def last_round(self) -> bool:
        """Everything without which something would have to be done again; returns whether there was any."""
        self._write_heartbeats(clock.monotonic())
        busy = self._take_results()
        while self.asking:
            # Whoever owns the slots next finds it in the inbox, behind what lies there.
            self._settle(self.asking.popleft())
        return bool(self.slots and self._take_turns(self.store.time())) or busy

    def _groom(self, now: int, tick: float) -> None:
        """A slice of what is over; more of it soon, while there is more."""
        self._groom_at = tick + GROOM_EVERY
        gone = self.store.groom(GROOM_INSTANCES, GROOM_ROWS).rows
        forgotten = self.store.forget_requests(now - REQUESTS_KEPT, GROOM_ROWS)
        if gone:
            _log.info("purged %d instances whose retention has ended", gone["instances"])
        if gone.get("instances", 0) >= GROOM_INSTANCES or max(sum(gone.values()), forgotten) >= GROOM_ROWS:
            self._groom_at = tick + GROOM_AGAIN

    # -- turns ------------------------------------------------------------------------------------

    def _take_turns(self, now: int) -> bool:
        owner = self.owner
        asked = owner.asked(self._page)
        if asked:
            owner.admit(asked, look_up(self.store, self.programs, asked), now)
        self._look_at_types()
        entities = owner.entities.wanted()[: self._page]
        if entities:
            owner.entities.loaded(entities, self.store.load_entities(entities))
        look_up_versions(self.store, self.programs, owner.upgrades)
        suspects = self._suspects
        wanted = suspects.others(owner.wanted())[: self._page]
        if wanted:
            self._load(wanted, now)
        sealed = owner.run_ready(now, suspects.others)
        if sealed is not None:
            self._commit(sealed, now)
        alone = bool(suspects) and self._take_suspect(now)
        return alone or sealed is not None or bool(wanted or entities)

    def _look_at_types(self) -> None:
        """Who carries out the operations of entities: what was deployed meanwhile, or workers that came."""
        entities = self.owner.entities
        unseen = [each for each in entities.unknown if each not in self._types_seen]
        if not (unseen or (self._types_news and entities.types)):
            return
        types = entities.types
        entities.define(entity_kinds(self.store, self.programs, types, self._activities.names))
        self._types_seen, self._types_news = set(types), False

    def _load(self, wanted: Sequence[str], now: int, poison: str | None = None) -> None:
        """Bring instances into memory; with ``poison`` they are parked for that reason instead."""
        found = self.store.load(wanted)
        digests = self.owner.digests(found)
        # Somebody may have put right the Program of one that could not go on.
        suspended = {each.instance.digest for each in found if each.instance.status is Status.SUSPENDED}
        programs = self.programs.all(digests, anew=suspended)
        self.owner.loaded(wanted, found, programs if poison is None else dict.fromkeys(digests, poison), now)

    def _take_suspect(self, now: int) -> bool:
        """The turn of one suspect, counted before it is even loaded; returns whether there was any."""
        owner, suspects = self.owner, self._suspects
        wanted = owner.wanted()
        instance_id = suspects.first([*owner.ready(), *wanted])
        if instance_id is None:
            return False
        deaths = 0
        if suspects.count(instance_id):
            try:
                deaths = self.store.begin_turn(self.id, instance_id) - 1
            except (Busy, FenceLost):
                suspects.ended(instance_id)
                raise
        if instance_id in wanted:
            self._load([instance_id], now, why_parked(deaths) if deaths >= MAX_DEATHS else None)
        chosen = [instance_id] if instance_id in owner.ready() else []
        sealed = owner.run_ready(now, lambda _ready: chosen, entities=False) or Sealed()
        if self._commit(sealed, now, trusted=(instance_id,)):
            suspects.ended(instance_id)
        return True

    def _commit(self, sealed: Sealed, now: int, trusted: tuple[str, ...] = ()) -> bool:
        """Write a batch and release its effects; False when it is to be tried in smaller parts."""
        tick = clock.monotonic()
        renew = tick - self._renewed >= self._lease / 3_000_000
        batch = sealed.batch(self.id, self._lease if renew else None, trusted)
        try:
            self.store.commit(batch)
        except (FenceLost, OutcomeUnknown) as error:
            self.owner.lost([sealed], refused=False, now=now)
            if isinstance(error, OutcomeUnknown):
                for message_id in sealed.answers:
                    self._asks[message_id].doubtful = True
            raise
        except StoreError as error:
            refused = isinstance(error, Refused)
            asked = self.owner.lost([sealed], refused=refused, now=now)
            self._ask_again(self._unless_hopeless(asked, error))
            if not refused:
                raise
            if not (sealed.turns or sealed.entities or asked):
                # Memory and database disagree on something that no turn makes: read everything anew.
                raise OutcomeUnknown(str(error)) from error
            _log.warning("a batch was refused (%s); it is tried in smaller parts", error)
            return False
        if renew:
            self._renewed = tick
        self.owner.applied(sealed)
        # What is handed out again comes before what this batch sends.
        self._news = self._news or bool(batch.unhold)
        self._hear(batch.messages, now)
        self._release(sealed, batch)
        return True

    def _unless_hopeless(self, asked: Sequence[str], error: StoreError) -> list[str]:
        """Those of the asks that were not refused alone too often: something else may be the reason."""
        again = []
        for message_id in asked:
            ask = self._asks[message_id]
            ask.refusals += 1
            if ask.refusals < MAX_REFUSALS:
                again.append(message_id)
            else:
                self._forget(message_id)
                ask.fail(error)
        return again

    def _release(self, sealed: Sealed, batch: Batch) -> None:
        """The effects of a committed batch."""
        if sealed.activities:
            self._activities.start(sealed.activities)
        if sealed.canceled:
            self._activities.cancel(sealed.canceled)
        # A row that goes may have kept others waiting: it counted for a concurrency key.
        if batch.adopt or any(each.tasks or each.tasks_closed for each in batch.checkpoints):
            self._tasks_news = True
        new = {
            each.id: each for each in batch.checkpoints if each.before is None and each.instance is not None
        }
        for message_id in sealed.answers:
            ask = self._forget(message_id)
            if ask is not None:
                ask.made = None if ask.instance is None else new.get(ask.message.instance)
                ask.answer(sealed.outcomes.get(message_id))
        for message_id, reason in sealed.refusals:
            ask = self._forget(message_id)
            if ask is not None:
                ask.refuse(reason)
        for instance, line in sealed.logs:
            level = logging.getLevelNamesMapping()[line.level.upper()]
            extra = {"instance_id": instance.id, "workflow": instance.name, "path": line.path}
            _workflow_log.log(level, "%s", line.message, extra={**extra, "fields": line.fields})
        for instance_id, seq in sealed.superseded:
            _log.info(
                "a result for task %s of instance %r came when none was open: superseded", seq, instance_id
            )
        for note in sealed.own.notes:
            _workflow_log.warning("%s", note)
        if any(each.concurrency_key is not None and each.status.ended for each in sealed.changed):
            # Others may have got its place.
            self._news = True
        for instance in sealed.changed:
            self.changed(instance.id)
        for entity in sealed.entities:
            self.changed(entity.id)
        if self.recorded is not None:
            for checkpoint in batch.checkpoints:
                for row in checkpoint.history:
                    self.recorded(checkpoint.id, row_views(row))
