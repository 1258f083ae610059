"""The owner of slots, without I/O: what it keeps in memory, and what it wants written and done.

A shell drives it: it brings messages, results, due timers and loaded instances (``accept``,
``result``, ``fire``, ``loaded``), asks for a ``Sealed`` batch (``run_ready``), commits it, and says how
that went (``applied``, ``lost``). Nothing may be shown, answered or started before ``applied`` has said
so. Commits are first in, first out. The simulator drives the very same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from perdure.engine import migrating, parking, sealing, suspects
from perdure.engine.addresses import is_entity
from perdure.engine.codec import decode_received
from perdure.engine.entity_owner import EntityOwner
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import (
    BEGINNINGS,
    REOPENING,
    RESULTS,
    TO_ENTITY,
    EventRaised,
    ExecutionCanceled,
    ExecutionMigrated,
    ExecutionRestarted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    ParentAttached,
    Received,
    StartRequested,
    TimerFired,
    ToEntity,
)
from perdure.engine.hot import Hot, Sealed, SealedTurn, Writes
from perdure.engine.instance import Instance, Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.rewinding import NEVER_BEGAN
from perdure.engine.starting import Asked, Found, admit
from perdure.engine.store.rows import AuditEntry, Loaded, Message, Parking, Request, Takeover, TaskRow
from perdure.engine.tasks import row_of, task_of
from perdure.engine.timers import Timers
from perdure.engine.turn import Input, Running, Turn, first_event, open_work, private_queue, take_turn
from perdure.engine.upgrading import Upgrades

MAX_BUFFER = 256
"""Events that an instance keeps and nobody awaits. The rest stays in the inbox, in order."""
MAX_PENDING = 1024
"""Inputs that wait in memory for one instance; events beyond are set aside in the inbox."""
MAX_TURNS = 1000
"""Turns of one batch."""

Choose = Callable[[list[str]], list[str]]
"""Some of the instances, in their order."""


def _all(ids: list[str]) -> list[str]:
    return ids


_CONTROL = (ExecutionSuspended, ExecutionResumed, ExecutionTerminated, ExecutionCanceled)

Offers = Callable[[str, str | None], bool]
"""Whether activities of a name run in this process, for instances with or without a private queue."""


class Owner:
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

    # -- what the shell brings --------------------------------------------------------------------

    @property
    def accepted(self) -> int:
        """Inbox rows that are in memory and not deleted yet: add them to the length of a page."""
        return len(self._accepted)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to load and no turn to take."""
        busy = self._ready or self._wanted or self._unreadable or self._asked
        return not busy and self._rest.empty and self.entities.idle

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
            if isinstance(event, StartRequested):
                self._asked.append(Asked(message, event))
                continue
            if is_entity(message.instance):
                self.entities.accept(message, event)
                continue
            if isinstance(event, TO_ENTITY):
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

    def wanted(self) -> list[str]:
        """Instances that have something to do and are not in memory."""
        if self._rest_first:
            return []
        coming = self._starting.union(each.message.instance for each in self._asked)
        return [each for each in self._wanted if each not in coming]

    def loaded(
        self,
        ids: Sequence[str],
        found: Iterable[Loaded],
        programs: Mapping[str, LinkedProgram | str],
        now: int,
    ) -> None:
        """What the database has of ``ids``. For a Program that cannot be had, its entry says why."""
        rows = {each.instance.id: each for each in found}
        for instance_id in ids:
            self._wanted.pop(instance_id, None)
            hot = self._of(instance_id)
            each = rows.get(instance_id)
            if hot.running is not None:
                continue
            if each is None:
                self._drop(hot, "unknown", now)
            elif each.instance.status.ended and _order(hot.pending) is not None:
                self._reopen(hot, each, programs, now)
            elif each.instance.status.ended:
                if each.held:
                    # What was set aside comes back, to become dead letters as well.
                    self._rest.unhold.append((instance_id, each.held))
                self._drop(hot, "ended", now)
            else:
                self._load(hot, each, self._program(hot, each, programs, now), now)

    def _program(
        self, hot: Hot, loaded: Loaded, programs: Mapping[str, LinkedProgram | str], now: int
    ) -> LinkedProgram | str:
        """The Program of an instance, or the one that it is ordered to move to if it can."""
        while (order := migrating.order_among(hot.pending)) is not None:
            program = programs.get(migrating.digest(order), "program: it was not looked up: try again")
            problem = migrating.problem(loaded, program)
            if problem is None:
                break
            hot.pending = [each for each in hot.pending if each is not order]
            sealing.refuse(self._rest, order, problem, now)
        return programs[loaded.instance.digest if order is None else migrating.digest(order)]

    def digests(self, found: Iterable[Loaded]) -> set[str]:
        """Of the Programs that ``loaded`` needs for what was found."""
        wanted = set()
        for each in found:
            wanted.add(each.instance.digest)
            hot = self._hot.get(each.instance.id)
            if hot is not None and (order := _order(hot.pending)) is not None:
                wanted.add(_digest(order, each.instance))
            if hot is not None:
                orders = (one.event for one in hot.pending if isinstance(one.event, ExecutionMigrated))
                wanted.update(order.digest for order in orders)
        return wanted

    def take_over(
        self,
        takeover: Takeover,
        programs: Mapping[str, LinkedProgram | str],
        here: Collection[tuple[str, int]],
        now: int,
        choose: Choose = _all,
    ) -> None:
        """The slots are ours now: give a row to each task that only their last owner kept going.

        ``here`` are keys of activities that run in this process still: they stay as they are. Who is not
        chosen is not loaded yet.
        """
        chosen = set(choose([each.instance.id for each in takeover.loaded]))
        for each in takeover.loaded:
            hot = self._of(each.instance.id)
            if hot.running is not None or hot.parked:
                continue
            if hot.id in chosen:
                self._load(hot, each, programs[each.instance.digest], now)
            self._adopt(hot, each, takeover, here)
            if hot.id not in chosen:
                self._forget(hot)

    def _adopt(self, hot: Hot, loaded: Loaded, takeover: Takeover, here: Collection[tuple[str, int]]) -> None:
        """Needs no Program: what an instance asked for before it was parked is done all the same."""
        instance = loaded.instance
        try:
            tasks = open_work(loaded.history).tasks
            queue = private_queue(loaded.history)
        except msgspec.MsgspecError:
            return
        for seq, event in tasks.items():
            key = (instance.execution, seq)
            if key in takeover.tasks or key in takeover.results:
                continue
            if key in here:
                hot.rows.discard(key)
                hot.eager.add(key)
            else:
                task = task_of(instance, instance.execution, seq, event)
                self._rest.adopt.append(row_of(task, instance.slot, queue, event, deliveries=1))

    # -- what the shell takes ---------------------------------------------------------------------

    def ready(self) -> list[str]:
        """Instances that have something to do and are in memory."""
        return list(self._ready)

    def run_ready(self, now: int, choose: Choose = _all, *, entities: bool = True) -> Sealed | None:
        """Take the turns of the chosen of those that are ready, up to the limit; None without anything.

        Those of ``entities`` are taken as well, unless somebody has to be alone.
        """
        for message in self._unreadable:
            sealing.bury(self._rest, message, "unreadable", now)
        self._unreadable.clear()
        sealed, self._rest = Sealed(rest=self._rest), Writes()
        limit, self._rest_first = 0 if self._rest_first else self._limit, False
        ready = choose(list(self._ready))[:limit]
        if entities:
            self.entities.run_ready(sealed, max(limit - len(ready), limit // 2), now)
        for instance_id in ready:
            del self._ready[instance_id]
            hot = self._hot[instance_id]
            if hot.parked:
                parking.receive(hot, sealed, self._requests, now)
                self._after_parked(hot)
            elif hot.running is not None:
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

    def lost(self, batches: Sequence[Sealed], *, refused: bool, now: int) -> list[str]:
        """Batches that were not committed, oldest first: take back what they did, and feed it again.

        What follows from no turn is written next and alone, since what is loaded and taken afterwards
        counts on it. When a batch was ``refused``, later ones are halved until one turn fails alone; that
        one's instance is parked, unless a client's message may be the reason. Returns ids of messages
        whose clients must ask again: nothing of them is left here.
        """
        rest = Writes()
        for sealed in batches:
            rest.extend(sealed.rest)
        rest.extend(self._rest)
        self._rest = rest
        self._rest_first = not rest.empty
        for sealed in reversed(batches):
            for turn in reversed(sealed.turns):
                self._take_back(turn)
            for done in reversed(sealed.entities):
                self.entities.take_back(done)
        if not refused:
            return []
        turns, entities = batches[0].turns, batches[0].entities
        if (count := len(turns) + len(entities)) > 1:
            self._limit = count // 2
            return []
        if count and self._rest_first:
            # With something beside it, nobody knows yet whose fault it is.
            return []
        if turns:
            return self._give_up(turns[0].hot, now)
        if entities:
            return self.entities.give_up(entities[0], self._rest, now)
        return self._give_up_rest()

    def reset(self) -> tuple[list[tuple[str, Input]], list[str]]:
        """This worker's id is dead: drop everything, and return what the database does not have.

        That is results of activities, with their instances, and ids of messages whose clients must ask
        again.
        """
        results, unanswered = self.entities.reset()
        unanswered += [*self._rest.answers, *(message_id for message_id, _ in self._rest.refusals)]
        for hot in self._hot.values():
            for each in hot.pending + hot.excess:
                if each.message is not None and not each.stored:
                    unanswered.append(each.message.id)
                elif each.message is None and not isinstance(each.event, TimerFired):
                    results.append((hot.id, each))
        self.__init__(self._offers, memory=self._memory, turns=self._turns)  # type: ignore[misc]
        return results, unanswered

    # -- memory -----------------------------------------------------------------------------------

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

    def _load(self, hot: Hot, loaded: Loaded, program: LinkedProgram | str, now: int) -> Running | None:
        """Replay an instance; None when it is parked."""
        instance = loaded.instance
        hot.instance, hot.history, hot.coming = instance, loaded.history, first_event(loaded)
        hot.retention = None if isinstance(program, str) else program.program.retention
        hot.held = loaded.held + hot.released
        if hot.held:
            # Events that arrived before we knew belong behind those that are set aside.
            hot.excess = [each for each in hot.pending if isinstance(each.event, EventRaised)] + hot.excess
            hot.pending = [each for each in hot.pending if not isinstance(each.event, EventRaised)]
        poison = instance.status is Status.SUSPENDED and (instance.reason or "").startswith(suspects.PARKED)
        if poison and not hot.resuming:
            # Reading it may be what kills.
            self._park(hot, instance, instance.reason or "", now)
            return None
        try:
            if isinstance(program, str):
                raise NonDeterminismError(program)
            running = Running.load(loaded, program)
        except NonDeterminismError as error:
            self._park(hot, instance, str(error), now)
            return None
        stuck = instance.status is Status.SUSPENDED and not running.machine.state.suspended
        if stuck and not hot.resuming:
            self._park(hot, instance, instance.reason or "", now)
            return None
        hot.running, hot.parked, hot.history = running, False, ()
        running.migrating = migrating.order_among(hot.pending) is not None
        keys = {(instance.execution, seq) for seq in running.open_tasks}
        hot.eager &= keys
        hot.rows = keys - hot.eager
        if hot.resuming:
            self._unpark(hot)
        if hot.pending or hot.excess or hot.held:
            self._wake(hot)
        else:
            self._settle(hot)
        return running

    def _reopen(
        self, hot: Hot, loaded: Loaded, programs: Mapping[str, LinkedProgram | str], now: int
    ) -> None:
        """Somebody orders an instance that has ended to go on."""
        order = _order(hot.pending)
        assert order is not None, "whoever has ended goes on by an order"
        program = programs[_digest(order, loaded.instance)]
        if isinstance(program, str):
            hot.pending = [each for each in hot.pending if each is not order]
            if _waits(order):
                self._reconsider([order], hopeless=True)
            else:
                sealing.refuse(self._rest, order, program, now)
            self._wanted[hot.id] = None
            return
        if isinstance(order.event, ExecutionRestarted) and not self._cleared(hot, loaded, now):
            return
        hot.instance = loaded.instance
        hot.held = loaded.held + hot.released
        hot.running = Running.ended(loaded, program)
        self._wake(hot)

    def _cleared(self, hot: Hot, loaded: Loaded, now: int) -> bool:
        """Let nothing that came for an earlier generation reach the next one; whether that is so."""
        for each in hot.pending + hot.excess:
            if not isinstance(each.event, REOPENING):
                sealing.refuse(self._rest, each, "ended", now)
        hot.pending = [each for each in hot.pending if isinstance(each.event, REOPENING)]
        hot.excess = []
        if loaded.held:
            self._rest.unhold.append((hot.id, loaded.held))
            self._wanted[hot.id] = None
        return not loaded.held

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

    def _unpark(self, hot: Hot) -> None:
        """Hand out again what was set aside, timers too. The turn that hears of the resume does the rest."""
        if hot.held:
            self._rest.unhold.append((hot.id, hot.held))
        self.timers.clear()

    def _drop(self, hot: Hot, reason: str, now: int) -> None:
        """There is no such instance, or it has ended: what came for it is a dead letter."""
        late = [each for each in hot.pending if _waits(each)]
        self._reconsider(late)
        for each in hot.pending + hot.excess:
            if each not in late:
                sealing.refuse(self._rest, each, reason, now)
        hot.pending, hot.excess = [], []
        self._forget(hot)

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

    # -- turns ------------------------------------------------------------------------------------

    def _turn(self, hot: Hot, running: Running, sealed: Sealed, now: int) -> None:
        if running.instance.status.ended and running.past is None and _order(hot.pending) is not None:
            # What it is to go on with is in the database, once its end is.
            if not hot.uncommitted:
                hot.running = None
                self._wake(hot)
            return
        if migrating.order_among(hot.pending) is not None and not running.migrating and hot.fresh is None:
            # The Program that it is to move to has to replay what is in the database, and nothing else.
            if not hot.uncommitted:
                self._used -= self._resident.pop(hot.id, 0)
                hot.running = None
                self._wake(hot)
            return
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
                    if reason == "superseded" and isinstance(each.event, RESULTS)
                ]
            sealing.seal(hot, turn, inputs, sealed, self._requests, self._offers, now)
            if turn.start is not None:
                self._start_next(hot, turn.start)
        self._more(hot, running, sealed)

    def _ask_again(self, turn: Turn, inputs: list[Input]) -> list[Input]:
        """Who wanted to wait for an end that has come is to be told so; returns the other inputs."""
        late = [each for each, _ in turn.refused if _waits(each)]
        if not late:
            return inputs
        reasons = {reason for each, reason in turn.refused if each in late} - {"superseded"}
        turn.refused = [(each, reason) for each, reason in turn.refused if each not in late]
        self._reconsider(late, hopeless=bool(reasons), anew=NEVER_BEGAN in reasons)
        return [each for each in inputs if each not in late]

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

    def _take(self, hot: Hot, running: Running) -> list[Input]:
        """The inputs that the instance has room for now; the others stay, in order."""
        order = None if running.past is None else _order(hot.pending)
        if order is not None:
            hot.pending = [each for each in hot.pending if each is not order]
            return [order]
        move = migrating.order_among(hot.pending) if running.migrating else None
        if move is not None:
            hot.pending = [each for each in hot.pending if each is not move]
            return [move]
        carried = 0
        if running.next_seq == 0:
            hot.pending.sort(key=lambda each: _before_start(each, running.instance.generation))
            start = next((e.event for e in hot.pending if isinstance(e.event, BEGINNINGS)), None)
            if start is None:
                return _ending(hot, running.instance.generation)
            if isinstance(start, ExecutionStarted):
                if not self.upgrades.knows(start):
                    return []
                carried = len(start.carried)
        state = running.machine.state
        room = MAX_BUFFER - len(state.buffer) - len(state.held) - carried
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
            soon = any(isinstance(each.event, BEGINNINGS) for each in hot.pending)
        else:
            room = len(state.buffer) + len(state.held) < MAX_BUFFER
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
        elif len(hot.pending) < MAX_PENDING // 2:
            sealed.rest.unhold.append((hot.id, min(hot.held, MAX_PENDING // 2)))

    def _after_parked(self, hot: Hot) -> None:
        if hot.resuming:
            hot.parked = False
            self._wanted[hot.id] = None
        elif hot.instance is not None and hot.instance.status.ended:
            hot.parked = False
            self._forget(hot)

    def _stop(self, hot: Hot, inputs: list[Input], reason: str, now: int) -> None:
        """Park an instance whose turn cannot be taken or written; it is read again before it goes on."""
        instance = hot.instance
        assert instance is not None, "whoever took a turn was loaded or started here"
        if hot.fresh is not None:
            # There is no row to park: whoever starts it is told.
            asked = [each.message.id for each in inputs if each.message is not None]
            self._rest.refusals += [(message_id, reason) for message_id in asked]
            self._abandon(hot)
            return
        if instance.status.ended:
            # It stays as it is: only what was to become of it is refused.
            self._reconsider([each for each in inputs if _waits(each)], hopeless=True)
            for each in inputs:
                if not _waits(each):
                    sealing.refuse(self._rest, each, reason, now)
            hot.running = None
            self._ready.pop(hot.id, None)
            self._wanted[hot.id] = None
            self._rest_first = not self._rest.empty
            return
        for each in inputs:
            if isinstance(each.event, ExecutionMigrated):
                sealing.refuse(self._rest, each, reason, now)
        hot.pending = [each for each in inputs if not isinstance(each.event, ExecutionMigrated)] + hot.pending
        self._park(hot, instance, reason, now)
        hot.parked = False
        self._ready.pop(hot.id, None)
        self._wanted[hot.id] = None
        self._rest_first = not self._rest.empty

    # -- losses -----------------------------------------------------------------------------------

    def _take_back(self, turn: SealedTurn) -> None:
        hot = self._hot[turn.hot]
        hot.uncommitted -= 1
        hot.pending = turn.inputs + [each for each in hot.pending if each not in turn.inputs]
        hot.eager.difference_update(turn.eager)
        hot.eager.update(turn.eager_closed)
        hot.rows.difference_update(turn.rows)
        hot.rows.update(turn.rows_closed)
        hot.inserted = False
        hot.instance = turn.found
        hot.running = None if hot.fresh is None else Running(*hot.fresh)
        self._used -= self._resident.pop(hot.id, 0)
        self._ready.pop(hot.id, None)
        self._wake(hot)

    def _give_up(self, instance_id: str, now: int) -> list[str]:
        """The turn of one instance cannot be written."""
        hot = self._hot[instance_id]
        asked = [each.message.id for each in hot.pending if each.message is not None and not each.stored]
        if asked:
            hot.pending = [each for each in hot.pending if each.message is None or each.stored]
            if hot.fresh is not None:
                self._abandon(hot)
        else:
            inputs, hot.pending = hot.pending, []
            self._stop(hot, inputs, "refused: the database does not take what this turn writes", now)
        return asked

    def _abandon(self, hot: Hot) -> None:
        """A start that was only here is no more; what else came may be for another of that id."""
        hot.fresh = hot.running = None
        self._forget(hot)
        if hot.pending or hot.excess:
            self._ready.pop(hot.id, None)
            self._wake(hot)

    def _give_up_rest(self) -> list[str]:
        """What clients said, and cannot be written without a turn: they ask again."""
        asked, self._rest.answers = self._rest.answers, []
        self._rest.requests, self._rest.audit = [], []
        self._rest.messages = [message for message in self._rest.messages if message.id not in set(asked)]
        return asked


def _waits(each: Input) -> bool:
    """Whether an input is the question of somebody who waits for this instance's end."""
    match each.event:
        case ParentAttached():
            return True
        case ExecutionRewound(parent=parent):
            return parent is not None
        case _:
            return False


def _order(inputs: Iterable[Input]) -> Input | None:
    """The first order to an instance that has ended."""
    return next((each for each in inputs if isinstance(each.event, REOPENING)), None)


def _digest(order: Input, instance: Instance) -> str:
    """The Program that an order needs."""
    return order.event.digest if isinstance(order.event, ExecutionRestarted) else instance.digest


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
    if isinstance(each.event, BEGINNINGS):
        return 1
    return 0 if generation > 1 and isinstance(each.event, _CONTROL) else 2
