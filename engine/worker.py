"""The shell around the owner: one thread that reads, takes turns, commits and lets effects out.

It is a member of the hub under an id of its own, renewed by its own commits: a worker that hangs
loses its slots. User code runs in the executor's threads and never here. A ``reserve`` is a short-lived
process: it runs activities, and takes slots only while nobody else serves them.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import msgspec

from perdure.compiler.encode import UnknownProgram
from perdure.compiler.ir import IR_VERSION
from perdure.engine import clock
from perdure.engine.activities import Registry
from perdure.engine.codec import decode_events
from perdure.engine.errors import (
    Conflict,
    Ended,
    FenceLost,
    NotFound,
    OutcomeUnknown,
    PerdureError,
    Refused,
    StoreError,
)
from perdure.engine.events import TaskFailed
from perdure.engine.executor import TEND_EVERY, Executor
from perdure.engine.hot import Sealed
from perdure.engine.ids import new_id
from perdure.engine.instance import Instance, Status, slot_of
from perdure.engine.membership import Watch
from perdure.engine.owner import Owner
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask, Finished, carry_out, check_doubtful, check_repeated
from perdure.engine.sealing import result_message
from perdure.engine.store.poison import SUSPECT
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch, TaskRow
from perdure.engine.store.rows import Worker as Member
from perdure.engine.tasks import Task, task_in
from perdure.engine.views import event_views

LEASE = 10_000_000
"""Microseconds that a membership lasts without renewal; it is renewed after a third of it."""
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
LAST_WORK = 5.0
"""Seconds in which a worker that stops must have recorded what has ended."""
MAX_REFUSALS = 3
"""Batches with one client's message alone that are tried before the client is told."""
HINT_EVERY = 0.01
CALM_HINT_EVERY = 0.05
"""Seconds between looks for a hint, and after some seconds without work."""

_REFUSALS: dict[str, type[PerdureError]] = {"unknown": NotFound, "ended": Ended, "superseded": Conflict}

_log = logging.getLogger("perdure.worker")
_workflow_log = logging.getLogger("perdure.workflow")


class Worker:
    """A member of a hub, in threads of its own.

    ``queues`` are private queues whose tasks it runs, whatever their names. ``on_event`` is called
    after each commit, on the worker's thread, with an instance's id and its new history events.
    """

    def __init__(
        self,
        store: Store,
        activities: Registry,
        *,
        reserve: bool = False,
        queues: Sequence[str] = (),
        concurrency: int = 32,
        lease: int = LEASE,
        memory: int = 64 << 20,
    ) -> None:
        self.store = store
        self.programs = Programs(store.program)
        self.on_event: Callable[[str, list[dict[str, Any]]], None] | None = None
        self.error: BaseException | None = None
        """Why the worker's thread ended, if it did not end well."""
        self._activities = activities
        self._queues = tuple(queues)
        self._reserve = reserve
        self._lease = lease
        self._owner = Owner(self._offers, memory=memory)
        self._executor = Executor(activities, self.programs.get, self._done, concurrency=concurrency)
        self._ids: list[str] = []
        self._slots: frozenset[int] = frozenset()
        self._watch = Watch(lease)
        self._finished: deque[Finished] = deque()
        self._asking: deque[Ask] = deque()
        self._asks: dict[str, Ask] = {}
        """What the owner has taken from clients, by the message's id, until it is durable or refused."""
        self._keys: set[tuple[str, str, str]] = set()
        self._claims: set[tuple[str, int]] = set()
        self._suspect: tuple[tuple[str, int], float] | None = None
        """A task that ran when workers died, and since when it runs here."""
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._ready = threading.Event()
        self._stopping = self._over = False
        self._until = float("inf")
        self._renewed = self._looked = self._polled = self._claimed = self._worked = float("-inf")
        self._free_since: float | None = None
        self._news = self._tasks_news = True
        self._failures = 0
        self._jitter = random.Random()
        self._thread = threading.Thread(target=self._main, name="perdure-turns", daemon=True)

    # -- from other threads -----------------------------------------------------------------------

    def start(self) -> None:
        """Join the hub and begin to work. Returns when the worker has joined; raises if it could not."""
        self._thread.start()
        self._ready.wait()
        if self.error is not None:
            raise self.error

    def stop(self, timeout: float = 5.0) -> None:
        """Let running activities end, for up to ``timeout`` seconds, record them, and leave the hub."""
        self._executor.stop(timeout)
        self._until = clock.monotonic() + LAST_WORK
        self._stopping = True
        self._wakeup.set()
        self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def id(self) -> str:
        """The id under which it is a member now."""
        return self._ids[-1]

    @property
    def owns_slots(self) -> bool:
        """Whether turns are taken here."""
        return bool(self._slots)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive() and self.error is None

    def submit(self, ask: Ask) -> None:
        """Let the owner carry out what a client asks; ``ask.result()`` waits for it."""
        with self._lock:
            over = self._over
            if not over:
                self._asking.append(ask)
        if over:
            ask.fail(StoreError("the worker has stopped"))
        self._wakeup.set()

    def watch(self, instance_id: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back, on the worker's thread, when the instance's row changes here; returns the undoing."""
        with self._lock:
            self._watchers.setdefault(instance_id, []).append(callback)

        def undo() -> None:
            with self._lock:
                present = self._watchers.get(instance_id, [])
                if callback in present:
                    present.remove(callback)
                if not present:
                    self._watchers.pop(instance_id, None)

        return undo

    def _done(self, task: Task, event: Any) -> None:
        self._finished.append(Finished(task.instance, task.execution, event))
        self._wakeup.set()

    def _offers(self, name: str, queue: str | None) -> bool:
        return queue in self._queues if queue is not None else name in self._activities

    # -- the thread -------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._join()
            self._ready.set()
            while not self._stopping:
                self._guarded(self._live)
            self._drain()
        except BaseException as error:  # noqa: BLE001
            _log.exception("the worker has stopped")
            self.error = error
        finally:
            self._ready.set()
            self._fail_all()

    def _live(self) -> bool:
        if not self._round():
            self._sleep()
        return True

    def _guarded(self, step: Callable[[], bool]) -> bool:
        """What the step returns. Whatever the database refuses, nothing is lost and nothing is shown."""
        try:
            more = step()
        except (FenceLost, OutcomeUnknown) as error:
            _log.warning("this worker's id is over (%s); it joins again", error)
            self._retrying(self._rejoin)
        except StoreError as error:
            self._back_off(error)
        else:
            self._failures = 0
            return more
        return True

    @property
    def _patient(self) -> bool:
        """Whether there is time to try again."""
        return not self._stopping or clock.monotonic() < self._until

    def _retrying(self, step: Callable[[], None]) -> None:
        while self._patient:
            try:
                step()
                return
            except StoreError as error:
                self._back_off(error)

    def _back_off(self, error: StoreError) -> None:
        self._failures += 1
        if self._failures in {1, 10} or self._failures % 100 == 0:
            _log.warning("the database did not do it (%s); trying again", error)
        longest = min(0.005 * 2 ** min(self._failures, 8), 1.0)
        self._wakeup.wait(longest * self._jitter.random())
        self._wakeup.clear()

    def _drain(self) -> None:
        """Record what has ended, answer who asks, and leave: after a while in any case."""
        while self._patient and self._guarded(self._last_round):
            pass
        self._retrying(self._leave)

    def _leave(self) -> None:
        # What a shutdown cuts short did not kill anybody.
        self.store.give_back(self.id, sorted(self.store.claimed(self.id)))
        self.store.leave(self.id)

    def _last_round(self) -> bool:
        """Everything without which something would have to be done again; returns whether there was any."""
        busy = self._take_results()
        while self._asking:
            # Whoever owns the slots next finds it in the inbox, behind what lies there.
            self._settle(self._asking.popleft())
        return bool(self._slots and self._take_turns(self.store.time())) or busy

    def _fail_all(self) -> None:
        with self._lock:
            self._over = True
        for ask in [*self._asking, *self._asks.values()]:
            ask.fail(StoreError("the worker has stopped; whether this was done is not known"))

    def _round(self) -> bool:
        """Everything once; returns whether there was anything to do."""
        now, tick = self.store.time(), clock.monotonic()
        if tick - self._looked >= MEMBERS_EVERY:
            self._looked = tick
            self._look_at_members(now, tick)
        # Whoever asks here may have heard before that a message elsewhere is safe: that one comes first.
        asks = len(self._asking)
        if self.store.changed():
            self._news = self._tasks_news = True
        if self._slots:
            self._poll(now, tick)
        busy = self._take_results()
        busy = self._take_asks(asks) or busy
        if self._slots:
            busy = self._take_turns(now) or busy
        if tick - self._renewed >= self._lease / 3_000_000:
            self._commit_lease(tick)
        busy = self._claim(tick) or busy
        self._executor.tend(tick)
        if busy:
            self._worked = tick
        return busy

    def _sleep(self) -> None:
        tick = clock.monotonic()
        timeout = HINT_EVERY if tick - self._worked < 5 else CALM_HINT_EVERY
        if self._executor.backlog:
            timeout = TEND_EVERY
        due = self._owner.timers.next()
        if due is not None:
            timeout = min(timeout, (due - self.store.time()) / 1_000_000)
        if timeout > 0 and not (self._finished or self._asking):
            self._wakeup.wait(timeout)
        self._wakeup.clear()

    # -- membership -------------------------------------------------------------------------------

    def _member(self) -> Member:
        return Member(
            id=new_id(),
            host=socket.gethostname(),
            ir=IR_VERSION,
            reserve=self._reserve,
            activities=tuple(sorted(self._activities.names)),
            joined_at=self.store.time(),
        )

    def _join(self) -> None:
        member = self._member()
        self.store.join(member, self._lease)
        self._ids = [member.id]
        self._renewed = self._looked = clock.monotonic()
        self._look_at_members(self.store.time(), self._looked)

    def _rejoin(self) -> None:
        """Take ourselves over under a new id; what the database does not have is fed again."""
        results, _ = self._owner.reset()
        for instance_id, each in results:
            assert each.execution is not None, "a result answers an execution"
            self._finished.append(Finished(instance_id, each.execution, each.event))
        self._ask_again(list(self._asks))
        member = self._member()
        self._slots = frozenset()
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
        running = self._executor.running  # First: what ends meanwhile is found among those that have.
        return running | {each.key for each in self._finished.copy()}

    def _commit_lease(self, tick: float) -> None:
        self.store.commit(Batch(worker=self.id, lease=self._lease))
        self._renewed = tick

    def _look_at_members(self, now: int, tick: float) -> None:
        """Take over from the dead, and the slots that nobody owns."""
        for victim in self.store.gone(self.id):
            self.store.take_over(self.id, victim, None)
        self._claims &= self._executor.running
        if self._claims and not self._slots:
            # Whoever owns the instances deletes the rows of tasks that nobody waits for any more.
            self._executor.cancel(self._claims - self.store.claimed(self.id))
        others = [worker for worker in self.store.workers() if worker.id != self.id]
        for victim, lease in self._watch.suspects(others, now, tick):
            self.store.take_over(self.id, victim, lease)
        if self._slots:
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
        self._owner.take_over(takeover, programs, self._here, now)
        self._slots = slots
        self._news = self._tasks_news = True
        self._worked = clock.monotonic()

    # -- intake -----------------------------------------------------------------------------------

    def _take_results(self) -> bool:
        """Results of activities; returns whether there were any."""
        finished = [self._finished.popleft() for _ in range(len(self._finished))]
        if self._slots:
            for each in finished:
                self._owner.result(each.instance, each.execution, each.event)
        elif finished:
            self._record(finished)
        return bool(finished)

    def _take_asks(self, count: int) -> bool:
        """What clients ask, the first ``count``; returns whether there was anything."""
        if not count or (self._slots and self._news):
            # With more in the inbox than was read, everybody who asks here waits for it.
            return count > 0
        self._admit([self._asking.popleft() for _ in range(count)])
        return True

    def _record(self, finished: Sequence[Finished]) -> None:
        """Results for whoever owns their instances."""
        messages = [
            result_message(each.instance, slot_of(each.instance), each.execution, each.event)
            for each in finished
        ]
        try:
            self.store.record(messages, [each.key for each in finished])
        except StoreError:
            self._finished.extendleft(reversed(finished))
            raise

    def _admit(self, asks: Sequence[Ask]) -> None:
        """Look up what clients chose, all at once, and give the owner what stands."""
        if not self._slots:
            for ask in asks:
                self._settle(ask)
            return
        keys = [key for ask in asks if (key := ask.key) is not None]
        try:
            found = self.store.look_up([ask.message.instance for ask in asks], [], keys)
        except StoreError:
            self._asking.extendleft(reversed(asks))
            raise
        for ask in asks:
            earlier = None if ask.key is None else found.requests.get(ask.key)
            present = found.instances.get(ask.message.instance)
            try:
                if earlier is not None:
                    check_repeated(ask, earlier)
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
            self._asking.append(ask)
            return
        if ask.instance is not None:
            assert ask.program is not None, "a start knows its Program"
            if present is not None:
                raise Conflict(f"an instance {present.id!r} exists already ({present.status})")
            if not self._owner.start(ask.instance, ask.program, ask.message, ask.event, ask.request):
                self._asking.append(ask)
                return
        elif present is None:
            raise NotFound(f"there is no instance {ask.message.instance!r}")
        elif present.status.ended:
            raise Ended(f"instance {present.id!r} has ended ({present.status})")
        else:
            self._owner.send(ask.message, ask.event, ask.request)
        self._asks[ask.message.id] = ask
        if ask.key is not None:
            self._keys.add(ask.key)

    def _ask_again(self, message_ids: Iterable[str]) -> None:
        for message_id in message_ids:
            ask = self._forget(message_id)
            if ask is not None:
                self._asking.append(ask)

    def _forget(self, message_id: str) -> Ask | None:
        ask = self._asks.pop(message_id, None)
        if ask is not None and ask.key is not None:
            self._keys.discard(ask.key)
        return ask

    def _poll(self, now: int, tick: float) -> None:
        """The inbox and the timers, as far as they are due."""
        owner = self._owner
        if self._news or tick - self._polled >= POLL_EVERY:
            limit = PAGE + owner.accepted
            messages = self.store.inbox(self._slots, limit)
            owner.accept(messages)
            self._news = len(messages) >= limit
            self._polled = tick
        if owner.timers.horizon < now + AHEAD // 2:
            self._read_timers(now + AHEAD)
        owner.fire(now)

    def _read_timers(self, horizon: int) -> None:
        """Read on, by a page or more: many may be due at one time, and those of parked instances stay."""
        timers, limit = self._owner.timers, PAGE
        rows = self.store.timers(self._slots, horizon, limit)
        while len(rows) == limit and rows[-1].due <= timers.horizon:
            limit *= 2
            rows = self.store.timers(self._slots, horizon, limit)
        timers.read(rows, rows[-1].due if len(rows) == limit else horizon)

    # -- turns ------------------------------------------------------------------------------------

    def _take_turns(self, now: int) -> bool:
        owner = self._owner
        wanted = owner.wanted()[:PAGE]
        if wanted:
            found = self.store.load(wanted)
            for each in found:
                if each.instance.status is Status.SUSPENDED:
                    self.programs.forget(each.instance.digest)
            programs = self.programs.all({each.instance.digest for each in found})
            owner.loaded(wanted, found, programs, now)
        sealed = owner.run_ready(now)
        if sealed is None:
            return bool(wanted)
        self._commit(sealed, now)
        return True

    def _commit(self, sealed: Sealed, now: int) -> None:
        tick = clock.monotonic()
        renew = tick - self._renewed >= self._lease / 3_000_000
        batch = sealed.batch(self.id, self._lease if renew else None)
        try:
            self.store.commit(batch)
        except (FenceLost, OutcomeUnknown) as error:
            self._owner.lost([sealed], refused=False, now=now)
            if isinstance(error, OutcomeUnknown):
                for message_id in sealed.answers:
                    self._asks[message_id].doubtful = True
            raise
        except StoreError as error:
            refused = isinstance(error, Refused)
            asked = self._owner.lost([sealed], refused=refused, now=now)
            self._ask_again(self._unless_hopeless(asked, error))
            if not refused:
                raise
            if not sealed.turns and not asked:
                # Memory and database disagree on something that no turn makes: read everything anew.
                raise OutcomeUnknown(str(error)) from error
            _log.warning("a batch was refused (%s); it is tried in smaller parts", error)
            return
        if renew:
            self._renewed = tick
        self._owner.applied(sealed)
        self._release(sealed, batch)

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
            self._executor.start(sealed.activities)
        if sealed.canceled:
            self._executor.cancel(sealed.canceled)
        if batch.adopt or any(checkpoint.tasks for checkpoint in batch.checkpoints):
            self._tasks_news = True
        if batch.unhold:
            self._news = True
        for message_id in sealed.answers:
            ask = self._forget(message_id)
            if ask is not None:
                ask.answer()
        for message_id, reason in sealed.refusals:
            ask = self._forget(message_id)
            if ask is not None:
                kind = _REFUSALS.get(reason, PerdureError)
                ask.fail(kind(f"instance {ask.message.instance!r}: {reason}"))
        for instance, line in sealed.logs:
            level = logging.getLevelNamesMapping()[line.level.upper()]
            extra = {"instance_id": instance.id, "workflow": instance.name, "path": line.path}
            _workflow_log.log(level, "%s", line.message, extra={**extra, "fields": line.fields})
        for instance in sealed.changed:
            self._notify(instance.id)
        if self.on_event is not None:
            for checkpoint in batch.checkpoints:
                for row in checkpoint.history:
                    self.on_event(
                        checkpoint.id, event_views(row.first_seq, row.at, decode_events(row.events))
                    )

    def _notify(self, instance_id: str) -> None:
        with self._lock:
            callbacks = list(self._watchers.get(instance_id, ()))
        for callback in callbacks:
            callback()

    # -- tasks ------------------------------------------------------------------------------------

    def _claim(self, tick: float) -> bool:
        """Take tasks from the table while there are places; suspects of poison one after the other."""
        if self._suspect is not None and self._is_cleared(*self._suspect, tick):
            self._suspect, self._tasks_news = None, True
        if not (self._tasks_news or tick - self._claimed >= POLL_EVERY):
            return False
        self._tasks_news, self._claimed = False, tick
        places = self._executor.places
        if places and (self._activities.names or self._queues):
            names = sorted(self._activities.names)
            suspects = 0 if self._suspect else 1
            rows = self.store.claim(self.id, names, self._queues, places, MAX_DELIVERIES, suspects=suspects)
            here = self._here
            tasks = self._readable(rows)
            self._claims.update(task.id for task in tasks)
            # Who lost its slots may get back what it runs already: that run goes on.
            self._executor.start(task for task in tasks if task.id not in here)
            if rows:
                if rows[-1].deliveries > SUSPECT:
                    self._suspect = (rows[-1].execution, rows[-1].seq), tick
                self._tasks_news = len(rows) == places
                return True
        return False

    def _readable(self, rows: Sequence[TaskRow]) -> list[Task]:
        """The tasks in claimed rows, their Programs at hand: no result may be lost for want of one."""
        tasks = []
        for row in rows:
            try:
                task = task_in(row)
                self.programs.get(task.digest)
            except (msgspec.MsgspecError, UnknownProgram) as error:
                message = f"the task cannot be read here: {error}"
                failed = TaskFailed(scheduled_seq=row.seq, error="perdure.Payload", message=message)
                self._finished.append(Finished(row.instance, row.execution, failed))
            except StoreError as error:
                # Joining again gives back what is claimed and not begun.
                raise OutcomeUnknown(f"a claimed task's Program cannot be read now: {error}") from error
            else:
                tasks.append(task)
        return tasks

    def _is_cleared(self, task: tuple[str, int], since: float, tick: float) -> bool:
        """Whether a suspect has ended and is recorded, or has run so long that it killed nobody."""
        return task not in self._here or tick - since >= CALM
