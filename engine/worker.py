"""The shell around the duties of a member: a thread that does them, and threads for activities.

A worker renews its membership by its own commits: one that hangs loses its slots. User code runs in the
executor's threads and never here. A ``reserve`` is a short-lived process: it runs activities, and takes
slots only while nobody else serves them.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

from perdure.engine import clock
from perdure.engine.activities import Registry
from perdure.engine.duties import Duties
from perdure.engine.errors import FenceLost, OutcomeUnknown, Overloaded, StoreError
from perdure.engine.events import EventRaised, ExecutionStarted
from perdure.engine.executor import TEND_EVERY, Executor, Limits
from perdure.engine.instance import SLOTS
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask
from perdure.engine.residents import MAX_TURNS
from perdure.engine.store.protocol import Store
from perdure.engine.tasks import Work
from perdure.engine.workplace import MEMBERS_EVERY, Pace

LEASE = 10_000_000
"""Microseconds that a membership lasts without renewal; it is renewed after a third of it."""
LAST_GIVING = 3.0
"""Seconds in which a worker that stops must have given its slots to others, if there are any."""
LAST_WORK = 5.0
"""Seconds in which a worker that stops must have recorded what has ended."""
CALM_AFTER = 5.0
"""Seconds without work."""
HINT_EVERY = 0.01
CALM_HINT_EVERY = 0.05
"""Seconds between looks for a hint, and after some seconds without work."""
TOLD_POLL = 1.0
"""Seconds between looks of a worker that is told of what others write: a notice may be lost."""
TOLD_MEMBERS = 1.0
"""Seconds between its looks at members when it has had no work for a while; less with a short lease."""

MAX_ASKS = 100_000
"""Starts and events of this process's clients that may wait for their commit."""
_WORK = (ExecutionStarted, EventRaised)

_log = logging.getLogger("perdure.worker")


class Worker:
    """A member of a hub, in threads of its own.

    It runs its activities for the default queue and for the named ``queues``, and unless it ``takes_turns``
    nothing else. ``private`` queues are those of instances whose tasks it runs, whatever their names. It runs
    up to ``concurrency`` sync activities, ``async_concurrency`` async ones and ``entity_concurrency``
    operations of entities at once (as many each unless it is said), takes up to ``turns`` instances' turns in
    one commit, and refuses starts and events beyond ``asks`` that wait for an answer. While the store tells
    what others write, it looks for itself every ``poll`` seconds only. ``on_event`` is called after each
    commit, on the worker's thread, with an instance's id and its new history events.
    """

    def __init__(
        self,
        store: Store,
        activities: Registry,
        *,
        reserve: bool = False,
        queues: Sequence[str] = (),
        private: Sequence[str] = (),
        concurrency: int = 32,
        async_concurrency: int | None = None,
        entity_concurrency: int | None = None,
        turns: int = MAX_TURNS,
        asks: int = MAX_ASKS,
        lease: int = LEASE,
        memory: int = 64 << 20,
        takes_turns: bool = True,
        poll: float = TOLD_POLL,
    ) -> None:
        self.store = store
        self.programs = Programs(store.program)
        self.error: BaseException | None = None
        """Why the worker's thread ended, if it did not end well."""
        self._executor = Executor(
            activities,
            self.programs.get,
            self._done,
            token_key=lambda: self._token_key,
            limits=Limits(concurrency, async_concurrency or concurrency, entity_concurrency or concurrency),
        )
        self._duties = Duties(
            store,
            self.programs,
            self._executor,
            reserve=reserve,
            queues=queues,
            private=private,
            lease=lease,
            memory=memory,
            turns=turns,
            takes_turns=takes_turns,
            shares=store.shares_slots,
        )
        self._token_key = ""
        self._most_asks = asks
        self._poll = poll
        # Leases are watched without a gap, and renewed in time.
        self._rest = min(TOLD_MEMBERS, lease / 8_000_000)
        self._duties.changed = self._notify
        self._duties.moved = self._notify_all
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._ready = threading.Event()
        self._handed = threading.Event()
        self._stopping = self._over = False
        self._until = float("inf")
        self._worked = float("-inf")
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
        """Let running activities end, for up to ``timeout`` seconds, record them, and leave the hub.

        Others, if there are any, take its slots before that, so that nothing waits for these activities.
        """
        self._give_slots()
        self._executor.stop(timeout)
        self._until = clock.monotonic() + LAST_WORK
        self._stopping = True
        self._wakeup.set()
        self._thread.join()

    def _give_slots(self) -> None:
        if not self.store.shares_slots:
            return
        until = clock.monotonic() + LAST_GIVING
        self._duties.drain()
        while self._duties.giving and self.alive and clock.monotonic() < until:
            self._wakeup.set()
            self._handed.wait(HINT_EVERY)
            self._handed.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def id(self) -> str:
        """The id under which it is a member now."""
        return self._duties.id

    @property
    def owns_slots(self) -> bool:
        """Whether turns are taken here."""
        return bool(self._duties.slots)

    @property
    def owns_all_slots(self) -> bool:
        """Whether turns are taken here and nowhere else."""
        return len(self._duties.slots) == SLOTS

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance, or of the entity at an address, are taken here."""
        return self._duties.owns(instance_id)

    @property
    def leaving(self) -> bool:
        """Whether somebody has asked it to leave the hub: then it should be stopped."""
        return self._duties.leaving

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive() and self.error is None

    @property
    def on_event(self) -> Callable[[str, list[dict[str, Any]]], None] | None:
        """Who is told of new events."""
        return self._duties.recorded

    @on_event.setter
    def on_event(self, listener: Callable[[str, list[dict[str, Any]]], None] | None) -> None:
        self._duties.recorded = listener

    def submit(self, *asks: Ask) -> None:
        """Let the owner carry out what clients ask; ``ask.result()`` waits for it or says why not.

        What is submitted at once is carried out together, as far as it goes into one commit.
        """
        full: list[Ask] = []
        with self._lock:
            over, room = self._over, self._most_asks - self._duties.asked
            for ask in () if over else asks:
                if room <= 0 and isinstance(ask.event, _WORK):
                    full.append(ask)
                else:
                    self._duties.asking.append(ask)
                    room -= 1
        for ask in full:
            message = f"{self._most_asks:,} starts and events wait for an answer already"
            ask.fail(Overloaded(message, hint="ask again a little later"))
        for ask in asks if over else ():
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

    def _told(self, members: bool) -> None:
        self._duties.told(members=members)
        self._wakeup.set()

    def _done(self, task: Work, event: Any) -> None:
        self._duties.done(task, event)
        self._wakeup.set()

    def _notify(self, instance_id: str) -> None:
        if instance_id not in self._watchers:  # Who begins to watch looks at the row after that.
            return
        with self._lock:
            callbacks = list(self._watchers.get(instance_id, ()))
        for callback in callbacks:
            callback()

    def _notify_all(self) -> None:
        with self._lock:
            callbacks = [callback for each in self._watchers.values() for callback in each]
        self._handed.set()
        for callback in callbacks:
            callback()

    # -- the thread -------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            # Read before anything runs: an activity's token must not fail with the database.
            self._token_key = self.store.token_key()
            self._duties.join()
            deafen = self.store.listen(self._told)
            self._worked = clock.monotonic()
            self._ready.set()
            try:
                while not self._stopping:
                    self._guarded(self._live)
            finally:
                deafen()
            self._drain()
        except BaseException as error:  # noqa: BLE001
            _log.exception("the worker has stopped")
            self.error = error
        finally:
            self._ready.set()
            self._fail_all()

    def _live(self) -> bool:
        self._duties.pace = self._pace()
        if self._duties.round():
            self._worked = clock.monotonic()
        else:
            self._sleep()
        return True

    def _guarded(self, step: Callable[[], bool]) -> bool:
        """What the step returns. Whatever the database refuses, nothing is lost and nothing is shown."""
        try:
            more = step()
        except (FenceLost, OutcomeUnknown) as error:
            _log.warning("this worker's id is over (%s); it joins again", error)
            self._retrying(self._duties.rejoin)
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
        while self._patient and self._guarded(self._duties.last_round):
            pass
        self._retrying(self._duties.leave)

    def _fail_all(self) -> None:
        with self._lock:
            self._over = True
        self._duties.fail_asks(StoreError("the worker has stopped; whether this was done is not known"))

    def _pace(self) -> Pace:
        if not self.store.listening:
            return Pace()
        return Pace(self._poll, self._rest if self._calm else min(MEMBERS_EVERY, self._rest), told=True)

    @property
    def _calm(self) -> bool:
        return not self._executor.running and clock.monotonic() - self._worked >= CALM_AFTER

    def _sleep(self) -> None:
        if self._duties.pace.told and not self._duties.rated:
            timeout = self._duties.pace.members
        else:
            timeout = CALM_HINT_EVERY if self._calm else HINT_EVERY
        if self._executor.backlog:
            timeout = TEND_EVERY
        elif self._executor.heartbeats:
            timeout = min(timeout, CALM_HINT_EVERY)
        due = self._duties.next_due()
        if due is not None:
            timeout = min(timeout, (due - self.store.time()) / 1_000_000)
        if timeout > 0 and not (self._duties.finished or self._duties.asking):
            self._wakeup.wait(timeout)
        self._wakeup.clear()
