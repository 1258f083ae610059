"""Several workers that share the slots of one hub, on one thread with virtual time.

Each is the real ``Duties`` over one store; it takes a step when it is told to. Activities run until a test
ends them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from perdure.engine import clock
from perdure.engine.activities import Registry
from perdure.engine.attempts import Answer
from perdure.engine.client import Client
from perdure.engine.duties import Duties
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.errors import Busy, FenceLost, OutcomeUnknown, Refused, StoreError
from perdure.engine.executor import Executor, Limits
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.instance import SLOTS, slot_of
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import Batch, Request, Takeover, TaskRow
from perdure.engine.tasks import Task, Work
from tests.engine.driver import SECOND, VirtualClock

LEASE = 10 * SECOND
STEP = SECOND // 20


class ByHand:
    """Activities that begin at once, and end when somebody says so."""

    def __init__(self, registry: Registry, executor: Executor) -> None:
        self._registry = registry
        self._executor = executor
        self.open: dict[tuple[str, int], Work] = {}
        self.begun: list[Work] = []
        """All that was ever begun here."""
        self.places: int | None = None
        """How many may run at once; None: there is always room."""

    @property
    def names(self) -> frozenset[str]:
        """What is offered here."""
        return self._registry.offered

    def offers(self, name: str) -> bool:
        """Whether an activity is one of them."""
        return name in self._registry

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Those that have not ended."""
        return frozenset(self.open)

    @property
    def claimable(self) -> tuple[list[str], int]:
        """What there is room for."""
        return sorted(self.names), 10 if self.places is None else max(self.places - len(self.open), 0)

    def start(self, tasks: Iterable[Work]) -> None:
        """Begin."""
        for task in tasks:
            assert task.id not in self.open, "one task runs twice in one process"
            self.open[task.id] = task
            self.begun.append(task)

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Nobody waits for them; they go on."""

    def tend(self, now: float) -> None:
        """There are no threads."""

    @property
    def heartbeats(self) -> Heartbeats:
        """None of them reports."""
        return self._executor.heartbeats

    def token(self, task: Task) -> str:
        """What completes it from outside."""
        return self._executor.context_of(task).token()

    def end(self, task: Work) -> Answer:
        """Carry it out."""
        del self.open[task.id]
        if isinstance(task, EntityTask):
            entity = self._registry.entity(task.name)
            assert entity is not None
            return self._executor.perform_operations(task, entity)
        activity = self._registry.get(task.name)
        assert activity is not None
        return self._executor.perform(task, activity, self._executor.context_of(task))


class Sharer:
    """One worker, in the place of ``engine.worker.Worker`` for its clients.

    It acts while it is ``awake``, and hears its clients so many seconds ``late``.
    """

    def __init__(self, sharers: Sharers, *, reserve: bool = False, queues: tuple[str, ...] = ()) -> None:
        self.store = sharers.store
        self.programs = Programs(self.store.program)
        executor = Executor(
            sharers.registry,
            self.programs.get,
            lambda _task, _answer: None,
            token_key=self.store.token_key,
            limits=Limits(1, 1, 1),
        )
        self.activities = ByHand(sharers.registry, executor)
        self.duties = Duties(
            self.store,
            self.programs,
            self.activities,
            reserve=reserve,
            queues=queues,
            lease=LEASE,
            memory=64 << 20,
            shares=True,
        )
        self.awake = True
        self.late = 0.0
        self.longest = 0
        """Microseconds of its longest step."""
        self._coming: list[tuple[int, Ask]] = []
        self._sharers = sharers
        self.duties.join()

    @property
    def slots(self) -> frozenset[int]:
        """Those whose turns are taken here."""
        return self.duties.slots

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance are taken here."""
        return self.duties.owns(instance_id)

    def submit(self, *asks: Ask) -> None:
        """Let the owner carry out what a client asks."""
        self._coming += [(self._sharers.clock.now + round(self.late * SECOND), ask) for ask in asks]

    def act(self) -> None:
        """Take a step."""
        began = self._sharers.clock.now
        due = [each for each in self._coming if each[0] <= self._sharers.clock.now]
        self._coming = [each for each in self._coming if each not in due]
        self.duties.asking.extend(ask for _, ask in due)
        try:
            self.duties.round()
        except (FenceLost, OutcomeUnknown):
            self.duties.rejoin()
        except Busy:
            pass  # the next step tries again
        self.longest = max(self.longest, self._sharers.clock.now - began)

    def watch(self, _instance_id: str, _callback: Any) -> Any:
        """Nobody is told."""
        return lambda: None

    def end(self, name: str | None = None) -> None:
        """Let what runs here end, or what has this name."""
        for task in [each for each in self.activities.open.values() if name in {None, each.name}]:
            self.duties.done(task, self.activities.end(task))


class Watched(MemoryStore):
    """A database that is ``busy`` when it is told to be; whoever writes must own what it writes."""

    busy = False
    refuses = False
    """Whether it takes no turn."""
    keeps_tasks = False
    """Whether it is busy whenever somebody would claim one."""
    breaks: Literal["", "before", "after"] = ""
    """When the connection breaks, before the next batch that gives tasks rows is written or after it."""
    renewal_fails: StoreError | None = None
    """How the next renewal of a lease fails that writes nothing else."""
    slow = 0.0
    """Seconds that a start of a client takes."""
    looks: tuple[float, ...] = ()
    """Seconds that each look at what was open in new slots takes; nobody loses a lease meanwhile."""

    def __init__(self, passing: VirtualClock) -> None:
        super().__init__(passing)
        self._passing = passing
        self.given: list[tuple[int, int]] = []
        """How many slots were given away each time, and how many tasks with them."""

    def release_slots(self, worker: str, slots: Collection[int], tasks: Sequence[TaskRow]) -> None:
        """As it is; it is noted how much that was."""
        super().release_slots(worker, slots, tasks)
        self.given.append((len(slots), len(tasks)))

    def start(self, *args: Any, **options: Any) -> Request | None:
        """What the database does for a client, and the time that passes."""
        self._passing.now += round(self.slow * SECOND)
        return super().start(*args, **options)

    def load_open(self, slots: Iterable[int], between: Callable[[], None] | None = None) -> Takeover:
        """As it is where there is very much."""
        for seconds in self.looks:
            self._passing.now += round(seconds * SECOND)
            assert all(each.lease_until > self._passing.now for each in self.workers())
            assert between is not None
            between()
        return super().load_open(slots)

    def claim(self, *args: Any, **options: Any) -> list[TaskRow]:
        """Nobody is given a task by a database that keeps them."""
        if self.keeps_tasks:
            raise Busy("the database has no time")
        return super().claim(*args, **options)

    def commit(self, batch: Batch) -> int:
        """Turns are taken for one's own slots alone."""
        if self.busy and batch.checkpoints:
            raise Busy("the database has no time")
        if self.refuses and any(each.history for each in batch.checkpoints):
            raise Refused("the database does not take it")
        for each in batch.checkpoints:
            owner = self.slot_owners().get(each.slot)
            assert owner == batch.worker, f"{batch.worker} writes {each.id}, which is {owner}'s"
        if self.renewal_fails is not None and batch == Batch(worker=batch.worker, lease=batch.lease):
            error, self.renewal_fails = self.renewal_fails, None
            raise error
        if not (batch.adopt and self.breaks):
            return super().commit(batch)
        written, self.breaks = self.breaks == "after", ""
        if written:
            super().commit(batch)
        raise OutcomeUnknown("the connection broke")


class Sharers:
    """All of them, and the time that passes. Who waits lets them act meanwhile."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = Watched(self.clock)
        self.registry = Registry()
        self.client = Client(self.store)
        self.all: list[Sharer] = []

    def monotonic(self) -> float:
        """Seconds."""
        return self.clock.now / SECOND

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Let everybody act until the event is set, or the time is over."""
        until = float("inf") if timeout is None else self.clock.now + timeout * SECOND
        while not event.is_set() and self.clock.now < until:
            self.act()
        return event.is_set()

    def join(self, **options: Any) -> Sharer:
        """One more; it has looked around once."""
        self.all.append(Sharer(self, **options))
        return self.all[-1]

    def act(self) -> None:
        """Everybody takes a step, and a moment passes."""
        for each in self.all:
            if each.awake:
                each.act()
        self.clock.now += STEP

    def settle(self, seconds: float = 3.0) -> None:
        """Let so much time pass: more than it takes to share all slots."""
        for _ in range(round(seconds * SECOND / STEP)):
            self.act()

    def leave(self, who: Sharer) -> None:
        """It ends in order."""
        who.duties.leave()
        self.all.remove(who)

    def counts(self) -> list[int]:
        """How many slots each has, by what it knows itself, which is what the database says."""
        owners = self.store.slot_owners()
        for each in self.all:
            assert each.slots == {slot for slot, owner in owners.items() if owner == each.duties.id}
        return [len(each.slots) for each in self.all]

    def via(self, who: Sharer) -> Client:
        """A client in the process of a worker."""
        return Client(self.store, who)  # type: ignore[arg-type]

    def begun(self) -> list[str]:
        """The names of all activities that were ever begun by anybody."""
        tasks = [task for each in self.all for task in each.activities.begun]
        return [task.name for task in tasks if isinstance(task, Task)]


@contextmanager
def sharers() -> Iterator[Sharers]:
    """A hub, and its time."""
    found = Sharers()
    with clock.driven_by(found):
        yield found


def id_in(slots: Iterable[int], prefix: str = "i") -> str:
    """An id whose slot is one of these."""
    wanted = frozenset(slots)
    return next(id_ for n in range(100 * SLOTS) if slot_of(id_ := f"{prefix}{n}") in wanted)
