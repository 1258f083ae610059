"""A worker's process on one thread: its duties, step by step, and its activities, which happen at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
from perdure.engine.tasks import Task, Work
from tests.crash_points.faults import Crashed
from tests.crash_points.wire import Wire

SECOND = 1_000_000
LEASE = 4 * SECOND
BACK_OFF = SECOND // 10
"""What a process waits after the first failure; twice as long each time, up to a second."""
LAST_ROUNDS = 50
"""Tries of a process that stops."""


@dataclass(frozen=True)
class Role:
    """A kind of process: what it offers (None: everything), and which queues it serves."""

    offers: tuple[str, ...] | None = None
    queues: tuple[str, ...] = ()
    places: int = 100
    memory: int = 64 << 20
    page: int | None = None


class InlineActivities:
    """Activities, carried out by the process when it comes to it, when ``ends`` says so."""

    def __init__(
        self, registry: Registry, programs: Programs, token_key: Callable[[], str], places: int,
        ends: Callable[[Work], int | None],
    ) -> None:  # fmt: skip
        self._registry = registry
        self._executor = Executor(
            registry, programs.get, self._nothing, token_key=token_key, limits=Limits(1, 1, 1)
        )
        self._places = places
        self._ends = ends
        self._open: dict[tuple[str, int], tuple[int, Work, Context]] = {}
        self.stopping = False

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
        return frozenset(self._open)

    @property
    def claimable(self) -> tuple[list[str], int]:
        """What more could begin."""
        return sorted(self.names), 0 if self.stopping else max(self._places - len(self._open), 0)

    def start(self, tasks: Iterable[Work]) -> None:
        """Begin; they are carried out later."""
        for task in () if self.stopping else tasks:
            assert task.id not in self._open, "one task runs twice in one process"
            if isinstance(task, Task):
                context = self._executor.context_of(task)
                self.heartbeats.begin(task, context)
            else:
                context = Context(task.instance, task.name, task.operations[0].id, 1)
            ends = self._ends(task)
            if ends is None:
                raise Crashed
            self._open[task.id] = ends, task, context

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Nobody waits for them; they do not look."""
        for key in keys:
            if key in self._open:
                self._open[key][2].canceled = True

    @property
    def heartbeats(self) -> Heartbeats:
        """What those that run have reported."""
        return self._executor.heartbeats

    def tend(self, now: float) -> None:
        """There are no threads to be tended."""

    @property
    def due(self) -> int | None:
        """When the next one ends."""
        return min((due for due, _, _ in self._open.values()), default=None)

    def carry_out(self, now: int) -> list[tuple[Work, Any]]:
        """Those whose time has come, with their answers."""
        ended = []
        for key, (due, task, context) in list(self._open.items()):
            if due <= now:
                ended.append((task, self._answer(task, context)))
                del self._open[key]
        return ended

    def _answer(self, task: Work, context: Context) -> Any:
        if isinstance(task, EntityTask):
            entity = self._registry.entity(task.name)
            assert entity is not None, task.name
            return self._executor.perform_operations(task, entity)
        activity = self._registry.get(task.name)
        assert activity is not None, task.name
        answer = self._executor.perform(task, activity, context)
        self.heartbeats.end(task.id, well=isinstance(answer, TaskCompleted))
        return answer


class Process:
    """A process with a worker in it, in the place of ``engine.worker.Worker`` for its clients."""

    def __init__(
        self, role: Role, wire: Wire, registry: Registry, now: Callable[[], int],
        ends: Callable[[Work], int | None],
    ) -> None:  # fmt: skip
        self.role = role
        self.wire = wire
        self.over = False
        self.members: list[str] = []
        self.wakes_at = 0
        """When it tries again, after a failure."""
        self._now = now
        self._failures = 0
        self.store = cast("Store", wire)
        self.programs = Programs(self.store.program)
        self.activities = InlineActivities(
            registry, self.programs, lambda: self._token_key, role.places, ends
        )
        self.duties = Duties(
            self.store,
            self.programs,
            self.activities,
            reserve=False,
            queues=role.queues,
            lease=LEASE,
            memory=role.memory,
            page=role.page,
        )
        self._token_key = ""
        self._next: Callable[[], object] = self._join

    # -- what clients in this process use ---------------------------------------------------------

    @property
    def owns_slots(self) -> bool:
        """Whether turns are taken here."""
        return bool(self.duties.slots)

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance are taken here."""
        return self.duties.owns(instance_id)

    @property
    def working(self) -> bool:
        """Whether activities run here, or have ended and are not recorded."""
        return self.activities.due is not None or bool(self.duties.finished) or not self.duties.owner.idle

    def submit(self, ask: Ask) -> None:
        """Let the owner carry out what a client asks."""
        self.duties.asking.append(ask)

    def watch(self, instance_id: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Nobody is told; whoever waits looks again after a while."""
        return lambda: None

    # -- its life ---------------------------------------------------------------------------------

    def step(self) -> bool:
        """Do what there is to do; returns whether it was anything. Raises ``Crashed``."""
        if self._now() < self.wakes_at:
            return False
        ended = self.activities.carry_out(self._now())
        for task, answer in ended:
            self.duties.done(task, answer)
        joining = self._next != self.duties.round
        try:
            busy = bool(self._next()) or bool(ended) or joining
            self._next = self.duties.round
        except StoreError as error:
            if self._next == self._join:
                # A worker that cannot join does not start: whoever watches over it tries again.
                raise Crashed from error
            if isinstance(error, FenceLost | OutcomeUnknown) and not joining:
                self._next = self.duties.rejoin
            else:
                self._back_off()
            return True
        self._failures = 0
        return busy or bool(self.duties.finished or self.duties.asking or self.wire.news)

    def _join(self) -> None:
        self._token_key = self.store.token_key()
        self.duties.join()

    def _back_off(self) -> None:
        self.wakes_at = self._now() + min(BACK_OFF * 2**self._failures, SECOND)
        self._failures += 1

    def wakes(self, now: int) -> Iterable[int]:
        """Times at which it may have something to do."""
        times: Sequence[int | None] = (
            self.activities.due,
            self.duties.owner.timers.next(),
            self.wakes_at,
        )
        return [each for each in times if each is not None and each > now]

    def stop(self, rest: Callable[[int], None]) -> None:
        """Stop as ``engine.worker`` does: record what has ended, leave the hub. Raises ``Crashed``."""
        self.activities.stopping = True
        for _ in range(LAST_ROUNDS):
            try:
                if not self.duties.last_round():
                    break
            except (FenceLost, OutcomeUnknown):
                self._patiently(self.duties.rejoin, rest)
            except StoreError:
                rest(BACK_OFF)
        self._patiently(self.duties.leave, rest)
        self.duties.fail_asks(StoreError("the worker has stopped; whether this was done is not known"))

    def _patiently(self, step: Callable[[], None], rest: Callable[[int], None]) -> None:
        for _ in range(LAST_ROUNDS):
            try:
                step()
            except StoreError:
                rest(BACK_OFF)
            else:
                return
        raise AssertionError("a process could not stop")
