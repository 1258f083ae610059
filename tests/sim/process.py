"""A worker's process in the world: its duties, its activities, and its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from perdure.engine.activities import Context, Registry
from perdure.engine.duties import Duties
from perdure.engine.entity_tasks import EntityTask
from perdure.engine.errors import FenceLost, OutcomeUnknown, StoreError
from perdure.engine.events import TaskCompleted
from perdure.engine.executor import Executor, Limits
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.programs import Programs
from perdure.engine.requests import Ask
from perdure.engine.store.protocol import Store
from perdure.engine.tasks import Work
from tests.sim.faults import FaultyStore, Network
from tests.sim.ledger import KILL, Ledger
from tests.sim.world import SECOND, TRUE

PACES = (0.9, 1.0, 1.0, 1.1)
"""How fast the clock of a process may go. With more of a difference they would take each other for dead."""
PLACES = 6
LAST_ROUNDS = 50
"""Tries of a process that stops, before it gives up."""


class InlineActivities:
    """Activities as actors of the world: each takes a while, and then happens at once."""

    def __init__(self, process: Living, registry: Registry, programs: Programs) -> None:
        self._process = process
        self._registry = registry
        self._executor = Executor(
            self._registry,
            programs.get,
            self._nothing,
            token_key=process.token_key,
            limits=Limits(1, 1, 1),
        )
        self._contexts: dict[tuple[str, int], Context] = {}
        self._completed: set[tuple[str, int]] = set()
        """Activities whose results this process has had: it loses none while nobody takes it for dead."""
        self._stopping = False

    @staticmethod
    def _nothing(_task: Work, _answer: Any) -> None:
        raise AssertionError("the executor itself runs nothing here")

    @property
    def names(self) -> frozenset[str]:
        """What is offered here."""
        return self._registry.offered

    def offers(self, name: str) -> bool:
        """Whether an activity is one of them."""
        return name in self._registry

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Those that have begun and not ended."""
        return frozenset(self._contexts)

    @property
    def claimable(self) -> tuple[list[str], int]:
        """Few, so that some tasks wait in the table."""
        places = 0 if self._stopping else max(PLACES - len(self._contexts), 0)
        return sorted(self.names), places

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping = True

    def start(self, tasks: Iterable[Work]) -> None:
        """Each becomes an actor."""
        for task in () if self._stopping else tasks:
            if isinstance(task, EntityTask):
                context = Context(task.instance, task.name, task.operations[0].id, 1)
            else:
                known = task.id in self._completed and not self._process.was_buried
                assert not known, f"{task.name} of {task.instance} has ended here before"
                context = self._executor.context_of(task)
                self.heartbeats.begin(task, context)
            assert task.id not in self._contexts, "one task runs twice in one process"
            self._contexts[task.id] = context
            self._process.spawn_activity(task, context, self._perform)

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Nobody waits for them; only those that report look."""
        for key in keys:
            if key in self._contexts:
                self._contexts[key].canceled = True

    @property
    def heartbeats(self) -> Heartbeats:
        """What those that run have reported."""
        return self._executor.heartbeats

    def tend(self, now: float) -> None:
        """There are no threads to be tended."""

    def _perform(self, task: Work, context: Context) -> None:
        answer = self._answer(task, context)
        if task.name == KILL:
            self._process.crash()
        completed = isinstance(answer, TaskCompleted)
        self.heartbeats.end(task.id, well=completed)
        if completed and not isinstance(task, EntityTask):
            self._completed.add(task.id)
        self._process.ended(task, answer)
        del self._contexts[task.id]

    def _answer(self, task: Work, context: Context) -> Any:
        if isinstance(task, EntityTask):
            entity = self._registry.entity(task.name)
            assert entity is not None, task.name
            return self._executor.perform_operations(task, entity)
        activity = self._registry.get(task.name)
        assert activity is not None, task.name
        return self._executor.perform(task, activity, context)


class Living(ABC):
    """What there is of every process, whoever works in it.

    ``on_crash`` hears when it is over, with the ids it was a member under.
    """

    activities: InlineActivities
    duties: Duties

    def __init__(
        self,
        network: Network,
        name: str,
        connect: Callable[..., FaultyStore],
        on_crash: Callable[[Any], None],
    ) -> None:
        world, plan = network.world, network.plan
        self.world = world
        self.name = name
        self.over = False
        self.pace = TRUE
        if plan.happens("skew"):
            self.pace = plan.random.choice(PACES), plan.random.uniform(-1000, 1000)
        self.token_key: Callable[[], str] = lambda: network.hub.look().token_key()
        self._plan = plan
        self._network = network
        self._on_crash = on_crash
        self.faulty = connect(network, name, crash=self.crash)
        self.store = cast("Store", self.faulty)

    @property
    def member_ids(self) -> list[str]:
        """The ids under which it has been a member."""
        return self.faulty.member_ids

    @property
    def was_buried(self) -> bool:
        """Whether another process has ever taken it for dead."""
        return not self._network.buried.isdisjoint(self.member_ids)

    # -- its life ---------------------------------------------------------------------------------

    def crash(self) -> None:
        """End at once. Does not return to an actor of this process."""
        if not self.over:
            self.over = True
            self._on_crash(self)
        try:
            self.world.kill(self.activities)
        finally:
            self.world.kill(self)

    def spawn_activity(self, task: Work, context: Context, perform: Callable[[Work, Context], None]) -> None:
        """Let an activity happen after a while, unless the process ends before."""
        delay = self.world.random.choice([1, 1000, SECOND // 20, SECOND])
        # A group of its own within the process: waking the worker must not hurry it.
        name = f"{self.name}/{task.name}"
        self.world.later(name, delay, lambda: perform(task, context), self.activities)

    @abstractmethod
    def ended(self, task: Work, answer: Any) -> None:
        """An activity has ended."""


class Process(Living):
    """A process with a worker in it, in the place of ``engine.worker.Worker`` for its clients."""

    def __init__(
        self,
        network: Network,
        name: str,
        ledger: Ledger,
        *,
        memory: int,
        poll: int,
        page: int,
        offers: Sequence[str],
        queues: Sequence[str],
        shares: bool,
        on_crash: Callable[[Process], None],
    ) -> None:
        super().__init__(network, name, FaultyStore, on_crash)
        self._poll = poll
        self.programs = Programs(self.store.program)
        self.activities = InlineActivities(self, ledger.registry(offers), self.programs)
        self.duties = Duties(
            self.store,
            self.programs,
            self.activities,
            reserve=False,
            queues=queues,
            lease=network.lease,
            memory=memory,
            page=page,
            shares=shares,
        )
        self.world.spawn(name, self._live, self)

    # -- what clients in this process use ---------------------------------------------------------

    @property
    def owns_slots(self) -> bool:
        """Whether turns are taken here."""
        return bool(self.duties.slots)

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance are taken here."""
        return self.duties.owns(instance_id)

    def submit(self, ask: Ask) -> None:
        """Let the owner carry out what a client asks."""
        self.duties.asking.append(ask)
        self.world.wake(self)

    def watch(self, instance_id: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Nobody is told; whoever waits looks again after a while."""
        return lambda: None

    # -- its life ---------------------------------------------------------------------------------

    def ended(self, task: Work, answer: Any) -> None:
        """An activity has ended."""
        self.duties.done(task, answer)
        self.world.wake(self)

    def _live(self) -> None:
        self._retrying(self.duties.join)
        while True:
            try:
                busy = self.duties.round()
            except (FenceLost, OutcomeUnknown) as error:
                self.world.note(f"{self.name}: joins again ({error})")
                self._retrying(self.duties.rejoin)
            except StoreError:
                self._back_off()
            else:
                if self._plan.happens("shutdown"):
                    self._shut_down()
                if busy:
                    self.world.pause()
                else:
                    self._rest()

    def _shut_down(self) -> None:
        """Stop as ``engine.worker`` does: let activities end for a while, record them, leave the hub."""
        self.world.note(f"{self.name}: shuts down")
        self.activities.stop()
        until = self.world.now + self.world.random.randrange(2 * SECOND)
        while self.activities.running and self.world.now < until:
            self.world.sleep(SECOND // 20)
        for _ in range(LAST_ROUNDS):
            if not self._last_round():
                break
        self._leave()
        self.duties.fail_asks(StoreError("the worker has stopped; whether this was done is not known"))
        self.crash()

    def _last_round(self) -> bool:
        try:
            return self.duties.last_round()
        except (FenceLost, OutcomeUnknown):
            self._retrying(self.duties.rejoin)
        except StoreError:
            self._back_off()
        return True

    def _leave(self) -> None:
        for _ in range(LAST_ROUNDS):
            try:
                self.duties.leave()
            except StoreError:
                self._back_off()
            else:
                return

    def _rest(self) -> None:
        due = self.duties.owner.timers.next()
        now = self.store.time()
        rest = self._poll if due is None else min(self._poll, max(due - now, 1))
        if self.duties.finished or self.duties.asking or self.faulty.news:
            rest = 1
        self.world.sleep(rest)

    def _retrying(self, step: Callable[[], None]) -> None:
        while True:
            try:
                step()
                return
            except StoreError:
                self._back_off()

    def _back_off(self) -> None:
        self.world.sleep(self.world.random.randrange(1, SECOND // 10))
