"""A hub on one thread with virtual time: processes, clients that ask until they are answered, and faults.

A scenario's script runs in the middle of it. Whatever waits lets the processes go on: one step each, in
order, and time passes when nobody has anything to do. So a run is decided by its faults alone.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar, cast

from perdure.engine.activities import Context, Registry
from perdure.engine.client import Client
from perdure.engine.errors import StoreError, UserError
from perdure.engine.store.protocol import Store
from perdure.engine.tasks import Work
from perdure.engine.worker import Worker
from tests.crash_points.disks import Disk
from tests.crash_points.faults import QUIET, Crashed, Injector
from tests.crash_points.looks import Looks
from tests.crash_points.member import BACK_OFF, SECOND, Process, Role
from tests.crash_points.wire import Wire

START = 1_700_000_000 * SECOND
PATIENCE = 6_000
"""Steps in which what is waited for must come."""
IDLE = SECOND // 2
RESTART = SECOND
"""How long it takes until a process that has died is started again."""

Answer = TypeVar("Answer")


class Gone(BaseException):
    """The process that a client is in has ended."""


class Ledger:
    """What activities have really done, by label: under which keys, and how often."""

    def __init__(self) -> None:
        self.keys: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, label: str, ctx: Context) -> None:
        """It is done once more."""
        self.keys[label].append(ctx.idempotency_key)

    def done(self, label: str) -> int:
        """How often it was to be done: under how many keys it was."""
        return len(set(self.keys[label]))

    @property
    def totals(self) -> dict[str, int]:
        """Of all labels."""
        return {label: self.done(label) for label in sorted(self.keys)}


@dataclass
class Asked:
    """A request that was acknowledged, and what was answered."""

    what: str
    act: Callable[[Client], Any]
    answer: Any
    outside: bool


class World(Looks):
    """The run of a scenario. It is the clock of ``engine.clock`` too."""

    def __init__(
        self,
        clock: Clock,
        disk: Disk,
        injector: Injector,
        roles: tuple[Role, ...],
        activities: Callable[[World, Registry], None],
    ) -> None:
        self.clock = clock
        self.disk = disk
        self.eye = disk.eye
        self.injector = injector
        self.ledger = Ledger()
        self.random = Random(0)
        self.notes: list[str] = []
        self.processes: list[Process] = []
        self.asked: list[Asked] = []
        self.consumed = Counter[str]()
        """How often each message was."""
        self.takeovers = 0
        self.takes: Callable[[Work], int] = lambda _task: 0
        """Microseconds that an activity takes."""
        self.tokens: list[str] = []
        """What activities have given away."""
        self.deadly: Callable[[Work], bool] = lambda _task: False
        """Whether an activity kills its process."""
        self.restarting: list[tuple[int, Role, str]] = []
        self._activities = activities
        self._client_of: Process | None = None
        self._outside: Wire | None = None
        self._count = 0
        for role in roles:
            self.spawn(role)

    # -- time -------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Microseconds."""
        return self.clock.now

    def monotonic(self) -> float:
        """Seconds since the world began."""
        return (self.now - START) / SECOND

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """A client waits, and everybody else goes on."""
        inside = self._client_of
        until = None if timeout is None else self.now + round(timeout * SECOND)
        for _ in range(PATIENCE):
            # An answer that came with the end of the process is heard by nobody.
            if inside is not None and inside.over:
                raise Gone
            if event.is_set():
                return True
            if until is not None and self.now >= until:
                return False
            self.step(until)
        raise AssertionError(f"stuck: a client is not answered\n{self.told()}")

    def until(self, condition: Callable[[], bool], what: str = "") -> None:
        """Let everybody go on until something is so."""
        for _ in range(PATIENCE):
            if condition():
                return
            self.step(None)
        raise AssertionError(f"stuck: {what or 'what was waited for'} does not come\n{self.told()}")

    def rest(self, duration: int) -> None:
        """Let time pass."""
        until = self.now + duration
        while self.now < until:
            self.step(until)

    def step(self, until: int | None) -> None:
        """Everybody once; when nobody has anything to do, time passes."""
        busy = False
        for each in [each for each in self.restarting if each[0] <= self.now]:
            self.restarting.remove(each)
            self.spawn(each[1], each[2])
            busy = True
        for process in list(self.processes):
            if process.over:
                continue
            try:
                busy = process.step() or busy
            except Crashed:
                self.died(process)
                busy = True
        if busy:
            # Nothing is done in no time.
            self.clock.now += 1
            return
        times = [due for process in self.processes for due in process.wakes(self.now)]
        times += [due for due, _, _ in self.restarting]
        times += [] if until is None else [until]
        due = self.disk.next_due(self.now)
        times += [] if due is None else [due]
        if self._unsettled() or not times:
            times.append(self.now + IDLE)
        self.clock.now = max(min(times), self.now + 1)

    def _unsettled(self) -> bool:
        """Whether somebody who is not there any more has to be taken over from, or nobody has the slots."""
        here = {member for process in self.processes for member in process.members}
        live = {worker.id for worker in self.eye.workers()}
        return not self.eye.owned_slots() or not live <= here

    # -- processes --------------------------------------------------------------------------------

    def spawn(self, role: Role | None = None, name: str | None = None) -> Process:
        """A process begins."""
        self._count += 1
        role = role or Role()
        name = name or f"p{self._count}"
        registry, offered = Registry(), Registry()
        self._activities(self, registry)
        for each in registry.names if role.offers is None else role.offers:
            activity = registry.get(each)
            assert activity is not None, each
            offered.add(each, activity.function)
        for entity in registry.entities.values():
            offered.add_entity(entity.class_)
        wire = Wire(name, self.disk, self.injector, self._written)
        process = Process(role, wire, offered, lambda: self.now, self._runs)
        self.processes.append(process)
        return process

    def _runs(self, task: Work) -> int | None:
        """When an activity that begins now will end; None if it kills its process first."""
        return None if self.deadly(task) else self.now + self.takes(task)

    def died(self, process: Process) -> None:
        """A process is over, with its memory; another one is started in its place."""
        process.over = True
        self.processes.remove(process)
        self.notes.append(f"{process.wire.name} dies")
        # Of every other one its machine is away: then only its lease tells.
        process.wire.opened.crash(process.members, away=self.injector.deaths % 2 == 0)
        self.restarting.append((self.now + RESTART, process.role, process.wire.name))

    def stop(self, process: Process, *, restart: bool = False) -> None:
        """Let a process end in good order."""
        if process.over:
            return
        try:
            process.stop(lambda duration: self.rest_of(process, duration))
        except Crashed:
            self.died(process)
            if not restart:
                self.restarting.pop()
            return
        process.over = True
        self.processes.remove(process)
        process.wire.opened.crash(process.members, away=False)
        if restart:
            self.restarting.append((self.now + RESTART, process.role, process.wire.name))

    def rest_of(self, process: Process, duration: int) -> None:
        """Let time pass for the others."""
        self.processes.remove(process)
        self.rest(duration)
        self.processes.insert(0, process)

    def _written(self, wire: Wire, name: str, arguments: tuple[Any, ...], result: Any) -> None:
        for process in self.processes:
            if process.wire is not wire or name not in QUIET:
                process.wire.news = True
            if process.wire is wire and name in {"join", "rejoin"}:
                process.members.append(arguments[name == "rejoin"].id)
        self.takeovers += name == "take_over" and bool(result)
        if name == "commit":
            (batch,) = arguments
            for checkpoint in batch.checkpoints:
                self.consumed.update(checkpoint.consumed)

    # -- clients ----------------------------------------------------------------------------------

    def ask(
        self,
        what: str,
        act: Callable[[Client], Answer],
        *,
        outside: bool = False,
        again: bool = True,
        settled: tuple[type[UserError], ...] = (),
    ) -> Answer:
        """Ask until there is an answer, in the process of a worker or ``outside`` of any.

        What is ``settled`` is an answer once it may have been done before. With ``again`` it is asked once
        more in the end, and must be answered as it was, with no effect.
        """
        doubtful = False
        for _ in range(PATIENCE):
            process = self._inside(outside)
            try:
                answer = act(self._client(process))
            except Crashed:
                doubtful = True
                self._client_died(process)
            except Gone:
                doubtful = True
            except StoreError as error:
                self.notes.append(f"client: {what}: {type(error).__name__}")
                doubtful = True
                self._client_of = None
                self.rest(BACK_OFF)
            except settled:
                if not doubtful:
                    raise
                return cast("Answer", None)
            else:
                if again:
                    self.asked.append(Asked(what, act, answer, outside))
                return answer
            finally:
                self._client_of = None
        raise AssertionError(f"stuck: {what} is not answered\n{self.told()}")

    def refused(self, what: str, act: Callable[[Client], Any], kind: type[UserError]) -> None:
        """Ask what cannot be done, until that is the answer."""
        try:
            answer = self.ask(what, act, again=False)
        except kind:
            return
        raise AssertionError(f"{what} was not refused: {answer}")

    def _inside(self, outside: bool) -> Process | None:
        if outside:
            return None
        self.until(lambda: any(process.members for process in self.processes), "a process")
        return next(process for process in self.processes if process.members)

    def _client(self, process: Process | None) -> Client:
        self._client_of = process
        if process is not None:
            return Client(process.store, cast("Worker", process))
        if self._outside is None:
            self._outside = Wire("outside", self.disk, self.injector, self._written)
        return Client(cast("Store", self._outside))

    def _client_died(self, process: Process | None) -> None:
        if process is not None:
            self.died(process)
        elif self._outside is not None:
            self._outside.opened.crash([], away=False)
            self._outside = None

    # -- the end ----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until nothing goes on any more, and nobody who is gone is a member."""

        def settled() -> bool:
            counts = self.disk.counts()
            left = any(counts[table] for table in ("inbox", "timers", "tasks"))
            busy = any(process.working for process in self.processes)
            live = {worker.id for worker in self.eye.workers()}
            joining = any(process.duties.id not in live for process in self.processes if process.members)
            return not (left or busy or joining or self._unsettled() or self.restarting)

        self.until(settled, "peace")


class Clock:
    """The time of everybody."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now
