"""What a member of the hub does, one step after the other: join, rounds of work, leave.

No thread and no sleep: ``worker`` runs the steps on a thread of its own, and the simulator in an order of
its choice. Errors of the store pass through; whoever calls says ``rejoin`` after ``FenceLost`` and
``OutcomeUnknown`` and tries again after any other. Nothing is lost and nothing is shown either way.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec

from perdure.compiler.encode import UnknownProgram
from perdure.compiler.ir import IR_VERSION
from perdure.engine import clock, reopening
from perdure.engine.errors import (
    Busy,
    Conflict,
    Ended,
    FenceLost,
    NotFound,
    OutcomeUnknown,
    PerdureError,
    Refused,
    StoreError,
)
from perdure.engine.events import REOPENING, TO_ENTITY, ExecutionMigrated, TaskFailed
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.hot import Sealed
from perdure.engine.ids import new_id
from perdure.engine.instance import Instance, Status, slot_of
from perdure.engine.membership import Watch
from perdure.engine.owner import Owner
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask, Finished, carry_out, check_doubtful, check_repeated
from perdure.engine.residents import MAX_TURNS
from perdure.engine.resolving import entity_kinds, look_up, look_up_versions
from perdure.engine.scheduling import Scheduling
from perdure.engine.sealing import result_message
from perdure.engine.store.poison import SUSPECT
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch, Message, TaskRow
from perdure.engine.store.rows import Worker as Member
from perdure.engine.suspects import MAX_DEATHS, Suspects, why_parked
from perdure.engine.tasks import DEFAULT_QUEUE, HandedOver, Task, Work, private_queue, work_in
from perdure.engine.views import row_views

MAX_DELIVERIES = 5
"""Hand-outs of a task before it is poison."""
CALM = 60.0
"""Seconds that a task runs before it is no suspect of killing its worker any more."""
PAGE = 1000
"""Rows of the inbox, or timers, that are read at once."""
AHEAD = 60_000_000
"""Microseconds of timers that are kept in memory."""
MEMBERS_EVERY = 0.25
"""Seconds between looks at the other members, and at slots that nobody owns."""
POLL_EVERY = 0.5
"""Seconds between looks at the inbox and the tasks without any hint."""
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

_REFUSALS: dict[str, type[PerdureError]] = {"unknown": NotFound, "ended": Ended, "superseded": Conflict}

_log = logging.getLogger("perdure.worker")
_workflow_log = logging.getLogger("perdure.workflow")


class Activities(Protocol):
    """Who runs activities, and tells ``Duties.done`` of each how it ended."""

    @property
    def names(self) -> frozenset[str]:
        """The activities that are offered."""

    def offers(self, name: str) -> bool:
        """Whether an activity is one of them."""

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that run or wait for a place here."""

    @property
    def claimable(self) -> tuple[list[str], int]:
        """The names of which more tasks could start at once, and how many of each of them."""

    def start(self, tasks: Iterable[Work]) -> None:
        """Run tasks, in order, as places become free."""

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Tell activities that nobody waits for them."""

    def tend(self, now: float) -> None:
        """Look after what runs; ``now`` in seconds."""

    @property
    def heartbeats(self) -> Heartbeats:
        """What those that run have reported."""


class Duties:
    """The work of one member, under an id of its own that its commits renew.

    ``changed`` is called with the id of each instance whose row a commit has changed, ``recorded`` with an
    instance's id and its new history events. ``asking`` and ``finished`` are filled from any thread.
    """

    def __init__(
        self,
        store: Store,
        programs: Programs,
        activities: Activities,
        *,
        reserve: bool,
        queues: Sequence[str],
        private: Sequence[str] = (),
        lease: int,
        memory: int,
        turns: int = MAX_TURNS,
        page: int | None = None,
    ) -> None:
        self.store = store
        self.programs = programs
        self.asking: deque[Ask] = deque()
        self.finished: deque[Finished] = deque()
        self.changed: Callable[[str], None] = lambda _instance: None
        self.recorded: Callable[[str, list[dict[str, Any]]], None] | None = None
        self.slots: frozenset[int] = frozenset()
        self._scheduling = Scheduling(store, programs)
        self._scheduled = float("-inf")
        self.owner = Owner(self._offers, memory=memory, turns=turns)
        self._activities = activities
        self._queues = tuple(dict.fromkeys(each for each in queues if each != DEFAULT_QUEUE))
        self._private = tuple(private)
        self._after = ""
        """The fairness key that was served last."""
        self._reserve = reserve
        self._lease = lease
        self._page = PAGE if page is None else page
        self._ids: list[str] = []
        self._watch = Watch(lease)
        self._asks: dict[str, Ask] = {}
        """What the owner has taken from clients, by the message's id, until it is durable or refused."""
        self._keys: set[tuple[str, str, str]] = set()
        self._claims: set[tuple[str, int]] = set()
        self._suspect: tuple[tuple[str, int], float] | None = None
        """A task that ran when workers died, and since when it runs here."""
        self._renewed = self._looked = self._polled = self._claimed = float("-inf")
        self._groom_at = float("-inf")
        self._free_since: float | None = None
        self._suspects = Suspects()
        self._news = self._tasks_news = self._types_news = True
        self._types_seen: set[str] = set()
        """Types of entities that were looked up since there was any news of them."""

    @property
    def id(self) -> str:
        """The id under which it is a member now."""
        return self._ids[-1]

    def done(self, task: Work, event: Any) -> None:
        """An activity has ended; from any thread."""
        self.finished.append(Finished(task.instance, task.execution, event))

    @property
    def asked(self) -> int:
        """How much clients have asked that is not answered."""
        return len(self.asking) + len(self._asks)

    def fail_asks(self, error: PerdureError) -> None:
        """Nobody will answer who has asked any more."""
        for ask in [*self.asking, *self._asks.values()]:
            ask.fail(error)

    def _offers(self, name: str, queue: str | None) -> bool:
        return queue in self._private if queue is not None else self._activities.offers(name)

    # -- rounds -----------------------------------------------------------------------------------

    def round(self) -> bool:
        """Everything once; returns whether there was anything to do."""
        now, tick = self.store.time(), clock.monotonic()
        if tick - self._looked >= MEMBERS_EVERY:
            self._looked = tick
            self._look_at_members(now, tick)
        # Whoever asks here may have heard before that a message elsewhere is safe: that one comes first.
        asks = len(self.asking)
        if self.store.changed():
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
        if tick - self._renewed >= self._lease / 3_000_000:
            self._commit_lease(tick)
        if self.slots and self._suspects.calm(tick):
            self.store.calm(self.id)
            self._suspects.trust()
        if self.slots and tick >= self._groom_at:
            self._groom(now, tick)
        busy = self._claim(tick) or busy
        self._activities.tend(tick)
        return busy

    def _groom(self, now: int, tick: float) -> None:
        """A slice of what is over; more of it soon, while there is more."""
        self._groom_at = tick + GROOM_EVERY
        gone = self.store.groom(GROOM_INSTANCES, GROOM_ROWS).rows
        forgotten = self.store.forget_requests(now - REQUESTS_KEPT, GROOM_ROWS)
        if gone:
            _log.info("purged %d instances whose retention has ended", gone["instances"])
        if gone.get("instances", 0) >= GROOM_INSTANCES or max(sum(gone.values()), forgotten) >= GROOM_ROWS:
            self._groom_at = tick + GROOM_AGAIN

    def last_round(self) -> bool:
        """Everything without which something would have to be done again; returns whether there was any."""
        self._write_heartbeats(clock.monotonic())
        busy = self._take_results()
        while self.asking:
            # Whoever owns the slots next finds it in the inbox, behind what lies there.
            self._settle(self.asking.popleft())
        return bool(self.slots and self._take_turns(self.store.time())) or busy

    def leave(self) -> None:
        """Give back what was not begun, and the slots."""
        # What a shutdown cuts short did not kill anybody.
        self.store.give_back(self.id, sorted(self.store.claimed(self.id)))
        self.store.leave(self.id)

    # -- membership -------------------------------------------------------------------------------

    def _member(self) -> Member:
        return Member(
            id=new_id(),
            host=socket.gethostname(),
            ir=IR_VERSION,
            reserve=self._reserve,
            activities=tuple(sorted(self._activities.names)),
            queues=self._queues,
            joined_at=self.store.time(),
        )

    def join(self) -> None:
        """Become a member under a new id."""
        member = self._member()
        self.store.join(member, self._lease)
        self._ids = [member.id]
        self._renewed = self._looked = clock.monotonic()
        self._look_at_members(self.store.time(), self._looked)

    def rejoin(self) -> None:
        """Take ourselves over under a new id; what the database does not have is fed again."""
        results, _ = self.owner.reset()
        for instance_id, each in results:
            assert each.execution is not None, "a result answers an execution"
            self.finished.append(Finished(instance_id, each.execution, each.event))
        self._ask_again(list(self._asks))
        member = self._member()
        self.slots = frozenset()
        # Should this be done though its answer is lost, the next try takes this id over too.
        self._ids.append(member.id)
        slots = self.store.rejoin(self._ids[:-1], member, self._lease)
        self._ids = [member.id]
        self._renewed = clock.monotonic()
        # A claim whose answer was lost is known to nobody.
        self.store.give_back(member.id, sorted(self.store.claimed(member.id) - self._here))
        if slots:
            self._took(slots)

    @property
    def _here(self) -> frozenset[tuple[str, int]]:
        """Keys of the tasks that run here, or have ended and are not recorded."""
        running = self._activities.running  # First: what ends meanwhile is found among those that have.
        return running | {each.key for each in self.finished.copy()}

    def _commit_lease(self, tick: float) -> None:
        self.store.commit(Batch(worker=self.id, lease=self._lease))
        self._renewed = tick

    def _look_at_members(self, now: int, tick: float) -> None:
        """Take over from the dead, and the slots that nobody owns; forget what others may have changed."""
        self.owner.upgrades.forget()
        for victim in self.store.gone(self.id):
            self.store.take_over(self.id, victim, None)
        self._claims &= self._activities.running
        if self._claims:
            # Whoever owns the instances deletes the rows of tasks that nobody waits for any more.
            self._activities.cancel(self._claims - self.store.claimed(self.id))
        if self.slots and self.store.fail_silent(self.id, self._page):
            self._news = True
        others = [worker for worker in self.store.workers() if worker.id != self.id]
        for victim, lease in self._watch.suspects(others, now, tick):
            self.store.take_over(self.id, victim, lease)
        if self.slots:
            return
        if set(self.store.owned_slots()) - {self.id}:
            self._free_since = None
            return
        self._free_since = tick if self._free_since is None else self._free_since
        servers = [worker for worker in others if worker.turns and not worker.reserve]
        if not (self._reserve and servers) or tick - self._free_since >= 1.0:
            slots = self.store.take_slots(self.id)
            if slots:
                self._took(slots)

    def _took(self, slots: frozenset[int]) -> None:
        """The slots are ours: what only their last owner kept going is found before anything else."""
        takeover = self.store.load_open(slots)
        digests = {each.instance.digest for each in takeover.loaded}
        programs = self.programs.all(digests)
        now = self.store.time()
        self._suspects.took(self.store.crashes(self.id), self.store.suspected(), clock.monotonic())
        self.owner.take_over(takeover, programs, self._here, now, self._suspects.others)
        self.slots = slots
        self._news = self._tasks_news = self._types_news = True
        self._types_seen.clear()

    # -- intake -----------------------------------------------------------------------------------

    def _take_results(self) -> bool:
        """Results of activities; returns whether there were any."""
        everything = [self.finished.popleft() for _ in range(len(self.finished))]
        handed = [each for each in everything if isinstance(each.event, HandedOver)]
        finished = [each for each in everything if not isinstance(each.event, HandedOver)]
        if handed:
            self._hand_over(handed, finished)
        if self.slots:
            for each in finished:
                self.owner.result(each.instance, each.execution, each.event)
        elif finished:
            self._record(finished)
        return bool(everything)

    def _hand_over(self, handed: Sequence[Finished], finished: Sequence[Finished]) -> None:
        """Tasks whose activities are completed from outside: their rows wait for that."""
        try:
            self.store.hand_over(self.id, [each.key for each in handed])
        except StoreError:
            self.finished.extendleft(reversed([*handed, *finished]))
            raise
        if self.slots:
            for each in handed:
                self.owner.hand_over(each.event.row)

    def _take_asks(self, count: int) -> bool:
        """What clients ask, the first ``count``; returns whether there was anything."""
        if not count or (self.slots and self._news):
            # With more in the inbox than was read, everybody who asks here waits for it.
            return count > 0
        self._admit([self.asking.popleft() for _ in range(count)])
        return True

    def _write_heartbeats(self, tick: float) -> None:
        """What activities report, before the results of those that have ended."""
        heartbeats = self._activities.heartbeats
        beats = heartbeats.due(tick)
        if beats:
            held = self.store.beat(self.id, beats)
            heartbeats.written(beats, tick)
            self._activities.cancel(key for each in beats if (key := (each.execution, each.seq)) not in held)

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

    def _admit(self, asks: Sequence[Ask]) -> None:
        """Look up what clients chose, all at once, and give the owner what stands."""
        if not self.slots:
            for ask in asks:
                self._settle(ask)
            return
        keys = [key for ask in asks if (key := ask.key) is not None]
        try:
            found = self.store.look_up([ask.message.instance for ask in asks], [], keys)
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

    def _settle(self, ask: Ask) -> None:
        """Carry it out in the database, for whoever owns the slots."""
        try:
            done = ask.doubtful and check_doubtful(ask, self.store.instance(ask.message.instance))
            ask.answer(None if done else carry_out(self.store, ask))
        except PerdureError as error:
            ask.fail(error)

    def _admit_one(self, ask: Ask, present: Instance | None) -> None:
        if ask.key in self._keys:
            self.asking.append(ask)
            return
        if isinstance(ask.event, TO_ENTITY):
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
        elif isinstance(ask.event, REOPENING):
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

    def _ask_again(self, message_ids: Iterable[str]) -> None:
        for message_id in message_ids:
            ask = self._forget(message_id)
            if ask is not None:
                self.asking.append(ask)

    def _forget(self, message_id: str) -> Ask | None:
        ask = self._asks.pop(message_id, None)
        if ask is not None and ask.key is not None:
            self._keys.discard(ask.key)
        return ask

    def _poll(self, now: int, tick: float) -> None:
        """The inbox and the timers, as far as they are due."""
        owner = self.owner
        if self._news or tick - self._polled >= POLL_EVERY:
            limit = self._page + owner.accepted
            messages = self.store.inbox(self.slots, limit)
            owner.accept(messages)
            self._news = len(messages) >= limit
            self._polled = tick
        if owner.timers.horizon < now + AHEAD // 2:
            self._read_timers(now + AHEAD)
        owner.fire(now)

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
        if tick - self._scheduled < POLL_EVERY:
            return False
        self._scheduled = tick
        busy, messages = self._scheduling.round(self.id, self.slots, now, tick)
        self._hear(messages, now)
        return busy

    def _hear(self, messages: Iterable[Message], now: int) -> None:
        """Let the owner have messages that are committed.

        With more in the inbox than was read, they are found there, behind what was sent before.
        """
        if not self._news:
            self.owner.accept(each for each in messages if not each.held and each.due <= now)

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
        types, self._types_news = entities.types, False
        entities.define(entity_kinds(self.store, self.programs, types, self._activities.names))
        self._types_seen = set(types)

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
        for message_id in sealed.answers:
            ask = self._forget(message_id)
            if ask is not None:
                ask.answer(sealed.outcomes.get(message_id))
        for message_id, reason in sealed.refusals:
            ask = self._forget(message_id)
            if ask is not None:
                refusable = isinstance(ask.event, (*REOPENING, ExecutionMigrated))
                other = Conflict if refusable else PerdureError
                kind = _REFUSALS.get(reason, other)
                ask.fail(kind(f"instance {ask.message.instance!r}: {reason}"))
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

    # -- tasks ------------------------------------------------------------------------------------

    def _claim(self, tick: float) -> bool:
        """Take tasks from the table while there are places; suspects of poison one after the other."""
        if self._suspect is not None and self._is_cleared(*self._suspect, tick):
            self._suspect, self._tasks_news = None, True
        if not (self._tasks_news or tick - self._claimed >= POLL_EVERY):
            return False
        self._tasks_news, self._claimed = False, tick
        names, places = self._activities.claimable
        # Turns come first: a task that runs beside a poison turn would be taken for what kills.
        turns = bool(self._suspects) and not self.owner.idle
        if places and (names or self._private):
            rows = self.store.claim(
                self.id,
                names,
                [private_queue(each) for each in self._private],
                places,
                MAX_DELIVERIES,
                queues=self._queues,
                suspects=0 if self._suspect or turns else 1,
                after=self._after,
            )
            here = self._here
            tasks = self._readable(rows)
            self._claims.update(task.id for task in tasks)
            # Who lost its slots may get back what it runs already: that run goes on.
            self._activities.start(task for task in tasks if task.id not in here)
            if rows:
                self._after = rows[-1].fairness_key
                if rows[-1].deliveries > SUSPECT:
                    self._suspect = (rows[-1].execution, rows[-1].seq), tick
                self._tasks_news = len(rows) == places
                return True
        return False

    def _readable(self, rows: Sequence[TaskRow]) -> list[Work]:
        """The tasks in claimed rows, their Programs at hand: no result may be lost for want of one."""
        tasks = list[Work]()
        for row in rows:
            try:
                task = work_in(row)
                if isinstance(task, Task):
                    self.programs.get(task.digest)
                    task = self._with_details(task)
            except (msgspec.MsgspecError, UnknownProgram) as error:
                message = f"the task cannot be read here: {error}"
                failed = TaskFailed(scheduled_seq=row.seq, error="perdure.Payload", message=message)
                self.finished.append(Finished(row.instance, row.execution, failed))
            except StoreError as error:
                # Joining again gives back what is claimed and not begun.
                raise OutcomeUnknown(f"a claimed task's Program cannot be read now: {error}") from error
            else:
                tasks.append(task)
        return tasks

    def _with_details(self, task: Task) -> Task:
        """The task with what an attempt before it has reported, if it reports at all."""
        if not task.heartbeat:
            return task
        details = self.store.heartbeat_details(task.instance, task.execution, task.path)
        if details is None:
            return task
        return msgspec.structs.replace(task, details=msgspec.json.decode(details))

    def _is_cleared(self, task: tuple[str, int], since: float, tick: float) -> bool:
        """Whether a suspect has ended and is recorded, or has run so long that it killed nobody."""
        return task not in self._here or tick - since >= CALM
