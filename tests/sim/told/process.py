"""A process whose worker is the real one, told of what others write; its threads are actors of the world."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from perdure.engine import clock
from perdure.engine.duties import Duties
from perdure.engine.errors import StoreError
from perdure.engine.executor import Executor
from perdure.engine.requests import Ask
from perdure.engine.store.notices import Told
from perdure.engine.tasks import Work
from perdure.engine.worker import Worker
from tests.sim.faults import FaultyStore, Network
from tests.sim.ledger import Ledger
from tests.sim.process import InlineActivities, Living
from tests.sim.told.hub import ToldStore
from tests.sim.world import SECOND, Actor, World

if TYPE_CHECKING:
    from perdure.engine.activities import Registry


class TellingStore(FaultyStore):
    """A faulty store that tells: what is told goes by another way, with faults of its own."""

    shares_slots = True

    @property
    def inner(self) -> ToldStore:
        """Without the faults."""
        return cast("ToldStore", self._store)

    @property
    def listening(self) -> bool:
        """Whether this process would hear what others tell, as far as it knows."""
        return self.inner.listening

    def listen(self, told: Told) -> Callable[[], None]:
        """Be told from now on."""
        return self.inner.listen(told)


class _Bell(threading.Event):
    """Who waits for it waits in the world."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def wait(self, timeout: float | None = None) -> bool:
        return self._world.wait(self, timeout)


class _Thread:
    """An actor, in the place of a thread."""

    def __init__(self, world: World, name: str, run: Callable[[], None], group: object) -> None:
        self._spawn: Callable[[], Actor] = lambda: world.spawn(name, run, group)
        self._world = world
        self._actor: Actor | None = None

    def start(self) -> None:
        """Let it act."""
        self._actor = self._spawn()

    def join(self) -> None:
        """Wait for its end."""
        assert self._actor is not None
        self._world.wait(self._actor.done, None)

    def is_alive(self) -> bool:
        """Whether it acts."""
        return self._actor is not None and not self._actor.over


class _Activities(InlineActivities):
    """In the place of the executor."""

    backlog = False

    def stop(self, timeout: float = 0.0) -> None:
        """Begin nothing any more, and wait for what runs."""
        super().stop()
        until = clock.monotonic() + timeout
        while self.running and clock.monotonic() < until:
            self._process.world.sleep(SECOND // 20)


class VirtualWorker(Worker):
    """The worker as it is, in threads that are none."""

    def __init__(self, process: ToldProcess, registry: Registry, *, page: int, **options: Any) -> None:
        super().__init__(process.store, registry, **options)
        world = process.world
        self.resting = False
        """Whether it has nothing to do, and waits until somebody wakes it or a time is over."""
        self.activities = _Activities(process, registry, self.programs)
        self._executor = cast("Executor", self.activities)
        self._duties._activities = self.activities
        self._duties._page = page
        self._wakeup, self._ready, self._handed = _Bell(world), _Bell(world), _Bell(world)
        self._jitter = world.random
        self._thread = cast(
            "threading.Thread", _Thread(world, f"{process.name}'s thread", self._act, process)
        )
        self._process = process

    @property
    def duties(self) -> Duties:
        """What it does."""
        return self._duties

    def _act(self) -> None:
        self._main()
        if self.error is not None and not isinstance(self.error, StoreError):
            # A check of this simulation has failed, or the process is over.
            raise self.error

    def _live(self) -> bool:
        # A real one gives way to others without being asked.
        self._process.world.pause()
        more = super()._live()
        self._process.may_stop()
        return more

    def _sleep(self) -> None:
        self.resting = True
        try:
            super()._sleep()
        finally:
            self.resting = False


class ToldProcess(Living):
    """A process with such a worker, and in its place for clients."""

    def __init__(
        self,
        network: Network,
        name: str,
        ledger: Ledger,
        *,
        memory: int,
        page: int,
        offers: Sequence[str],
        queues: Sequence[str],
        look: float,
        on_crash: Callable[[ToldProcess], None],
    ) -> None:
        super().__init__(network, name, TellingStore, on_crash)
        store = self.faulty
        assert isinstance(store, TellingStore), store
        store.inner.ear.group = self
        self.worker = VirtualWorker(
            self,
            ledger.registry(offers),
            page=page,
            queues=queues,
            lease=network.lease,
            memory=memory,
            poll=look,
        )
        self.programs = self.worker.programs
        self.queues = frozenset(queues)
        self.activities, self.duties = self.worker.activities, self.worker.duties
        self._stops = False
        self.world.spawn(name, self._begin, self)

    # -- what clients in this process use ---------------------------------------------------------

    @property
    def owns_slots(self) -> bool:
        """Whether turns are taken here."""
        return self.worker.owns_slots

    def owns(self, instance_id: str) -> bool:
        """Whether turns of an instance are taken here."""
        return self.worker.owns(instance_id)

    def submit(self, *asks: Ask) -> None:
        """Let the owner carry out what clients ask."""
        self.worker.submit(*asks)

    def watch(self, instance_id: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when an instance's row changes here."""
        return self.worker.watch(instance_id, callback)

    # -- its life ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        try:
            self.worker.start()
        except StoreError as error:
            self.world.note(f"{self.name}: does not start ({error})")
            self.crash()

    def ended(self, task: Work, answer: Any) -> None:
        """An activity has ended."""
        self.worker._done(task, answer)

    def may_stop(self) -> None:
        """Stop now, perhaps."""
        if not self._stops and self._plan.happens("shutdown"):
            self._stops = True
            self.world.note(f"{self.name}: shuts down")
            self.world.spawn(f"{self.name}: its end", self._stop, self)

    def _stop(self) -> None:
        self.worker.stop(self.world.random.randrange(2 * SECOND) / SECOND)
        self.crash()
