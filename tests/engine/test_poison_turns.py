"""A turn that kills its worker: it is found, and parked; its neighbours go on.

No workflow can do that, so the store or the Program kills instead. The workers are real ``Duties`` in
virtual time, one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pytest

from perdure.engine import clock
from perdure.engine.client import Client
from perdure.engine.codec import decode_events
from perdure.engine.duties import Duties
from perdure.engine.errors import Busy
from perdure.engine.events import TaskCompleted
from perdure.engine.heartbeats import Heartbeats
from perdure.engine.instance import Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.programs import Programs
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import Batch
from perdure.engine.tasks import Task
from tests.engine.driver import VirtualClock, compiled

GO = compiled('do: [{ e: { wait_for_event: Go, timeout: never } }, { return: "${ e }" }]').program
BAD = compiled('do: [{ e: { wait_for_event: Go, timeout: never } }, { return: "bad ${ e }" }]').program
CALL = compiled("do: [{ a: { call: Work } }, { e: { wait_for_event: Go, timeout: never } }]").program
NEIGHBOURS = [f"n{number}" for number in range(5)]
DEATHS = 5


class Killed(BaseException):
    """The process is over."""


class Time:
    """Both clocks, and no wait takes any time."""

    def __init__(self) -> None:
        self.store = VirtualClock()
        self.seconds = 1000.0

    def monotonic(self) -> float:
        """Seconds that pass when they are told to."""
        return self.seconds

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Nobody waits."""
        return event.is_set()

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
        self.store.now += round(seconds * 1_000_000)


class DeadlyStore(MemoryStore):
    """A store that is asked before each commit: ``about`` may raise."""

    about: Callable[[Batch], None] = staticmethod(lambda batch: None)

    def commit(self, batch: Batch) -> int:
        self.about(batch)
        return super().commit(batch)


class Bomb:
    """In the place of a Program: whoever looks at it dies."""

    def __getattr__(self, name: str) -> Any:
        raise Killed


class DeadlyPrograms(Programs):
    """Programs of which one kills whoever replays by it."""

    deadly: str | None = None

    def all(self, digests: Iterable[str], *, anew: Collection[str] = ()) -> dict[str, LinkedProgram | str]:
        found = super().all(digests, anew=anew)
        bomb: Any = Bomb()
        return {digest: bomb if digest == self.deadly else program for digest, program in found.items()}


class Nothing:
    """Activities: ``Work`` is offered, begins, and never ends."""

    def __init__(self) -> None:
        self.begun: list[Task] = []
        self.names = frozenset(["Work"])
        self.heartbeats = Heartbeats()

    @property
    def running(self) -> frozenset[tuple[str, int]]:
        """Keys of what has begun."""
        return frozenset(task.id for task in self.begun)

    @property
    def claimable(self) -> tuple[list[str], int]:
        """There is always a place."""
        return sorted(self.names), 9

    def offers(self, name: str) -> bool:
        """Whether it is ``Work``."""
        return name in self.names

    def start(self, tasks: Iterable[Any]) -> None:
        """Begin."""
        self.begun += tasks

    def cancel(self, keys: Iterable[tuple[str, int]]) -> None:
        """Nobody looks."""

    def tend(self, now: float) -> None:
        """There is nothing to tend."""


class World:
    """A store, and processes on it, one at a time."""

    def __init__(self) -> None:
        self.time = Time()
        self.store = DeadlyStore(self.time.store)
        self.client = Client(self.store)
        self.deadly: str | None = None
        self.deaths = 0

    def process(self) -> Duties:
        """A new worker that has joined, unless it died meanwhile."""
        programs = DeadlyPrograms(self.store.program)
        programs.deadly = self.deadly
        self.activities = Nothing()
        duties = Duties(
            self.store,
            programs,
            self.activities,
            reserve=False,
            queues=(),
            lease=3600_000_000,
            memory=64 << 20,
        )
        try:
            duties.join()
        except Killed:
            self.die(duties)
        return duties

    def die(self, duties: Duties) -> None:
        """Its process is over."""
        self.deaths += 1
        self.store.kill(duties.id)

    def lives(self, duties: Duties) -> bool:
        """Whether it works until there is nothing to do, or dies before."""
        try:
            for _ in range(1000):
                self.time.pass_(0.01)
                try:
                    busy = duties.round()
                except Busy:
                    continue
                if not busy and duties.owner.idle:
                    return True
        except Killed:
            self.die(duties)
            return False
        raise AssertionError("it is never idle")

    def run(self, most: int = 20) -> Duties:
        """Processes, one after the other, until one lives."""
        for _ in range(most):
            before, duties = self.deaths, self.process()
            if self.deaths == before and self.lives(duties):
                return duties
        raise AssertionError(f"{self.deaths} died")

    def kill_turns_of(self, name: str) -> None:
        """Die at the commit of its turns."""

        def about(batch: Batch) -> None:
            if any(each.id == name for each in batch.checkpoints):
                raise Killed

        self.store.about = about

    def given_waiting(self) -> Duties:
        """``bad`` and its neighbours, all with an event that nobody has heard of."""
        self.client.run(BAD, id="bad")
        for name in NEIGHBOURS:
            self.client.run(GO, id=name)
        duties = self.run()
        for name in ("bad", *NEIGHBOURS):
            self.client.raise_event(name, "Go", name)
        return duties

    def status(self, name: str) -> str:
        """The status of an instance."""
        return str(self.client.instance(name)["status"])


@pytest.fixture
def world() -> Iterator[World]:
    """Nobody has joined."""
    world = World()
    with clock.driven_by(world.time):
        yield world


def end(world: World, duties: Duties) -> None:
    """Its process is over, for no fault of its own; that does not count as a death."""
    duties.leave()


def test_a_turn_that_kills_is_parked(world: World) -> None:
    """After five deaths; the others go on meanwhile, and none of them is suspected in the end."""
    end(world, world.given_waiting())
    world.kill_turns_of("bad")
    world.run()
    assert world.deaths == DEATHS
    assert [world.status(name) for name in NEIGHBOURS] == ["Completed"] * 5
    bad = world.store.instance("bad")
    assert bad is not None
    assert (bad.status, bad.reason, bad.suspect) == (
        Status.SUSPENDED,
        "poison: a worker died in each of its last 3 turns",
        0,
    )


def test_neighbours_go_on_after_two_deaths(world: World) -> None:
    """From then on turns are taken alone, and that of the one in which somebody died comes last."""
    end(world, world.given_waiting())
    world.kill_turns_of("bad")
    for _ in range(4):
        world.lives(world.process())
    assert world.deaths == 4
    assert [world.status(name) for name in NEIGHBOURS] == ["Completed"] * 5
    assert world.status("bad") == "Running"


def test_a_history_that_kills_is_parked_and_not_read_again(world: World) -> None:
    """Not by what comes for it; a resume reads it, and dies as before."""
    end(world, world.given_waiting())
    world.deadly = world.client.instance("bad")["digest"]
    last = world.run()
    assert (world.deaths, world.status("bad")) == (DEATHS, "Suspended")
    world.client.raise_event("bad", "Go", "once more")
    assert world.lives(last)
    assert [world.status(name) for name in NEIGHBOURS] == ["Completed"] * 5
    world.client.resume("bad")
    assert not world.lives(last)


def test_a_parked_poison_goes_on_when_it_is_resumed(world: World) -> None:
    """With everything that came for it, once what killed is repaired."""
    end(world, world.given_waiting())
    world.deadly = world.client.instance("bad")["digest"]
    end(world, world.run())
    world.deadly = None
    world.client.resume("bad")
    world.run()
    assert world.client.instance("bad")["output"] == "bad bad"
    assert world.deaths == DEATHS


def test_a_parked_poison_can_be_terminated(world: World) -> None:
    """That needs neither its Program nor its history."""
    end(world, world.given_waiting())
    world.deadly = world.client.instance("bad")["digest"]
    last = world.run()
    world.client.terminate("bad")
    assert world.lives(last)
    assert world.status("bad") == "Terminated"


def test_who_is_merely_unlucky_is_trusted_again(world: World) -> None:
    """One turn that ends forgets the deaths before it."""
    end(world, world.given_waiting())
    world.kill_turns_of("bad")
    for _ in range(4):
        world.lives(world.process())
    suspected = world.store.instance("bad")
    assert suspected is not None
    assert suspected.suspect == 2
    world.kill_turns_of("nobody")
    world.run()
    trusted = world.store.instance("bad")
    assert trusted is not None
    assert (trusted.suspect, world.status("bad")) == (0, "Completed")


def test_a_commit_that_fails_is_no_death(world: World) -> None:
    """The same process tries again as often as it takes, and counts its turn once."""
    end(world, world.given_waiting())
    world.kill_turns_of("bad")
    for _ in range(2):
        world.lives(world.process())
    refused: list[Batch] = []

    def about(batch: Batch) -> None:
        if any(each.id == "bad" for each in batch.checkpoints) and len(refused) < 9:
            refused.append(batch)
            raise Busy("busy")

    world.store.about = about
    world.run()
    assert (len(refused), world.deaths, world.status("bad")) == (9, 2, "Completed")


def test_a_calm_minute_forgets_the_deaths(world: World) -> None:
    """Then a slot is trusted, and turns are taken together again."""
    end(world, world.given_waiting())
    world.kill_turns_of("bad")
    last = world.run()
    assert set(world.store.crashes(last.id).values()) == {DEATHS}
    world.time.pass_(50)
    last.round()
    assert world.store.crashes(last.id)
    world.time.pass_(10)
    last.round()
    assert world.store.crashes(last.id) == {}


def test_who_leaves_is_no_death(world: World) -> None:
    """Only those that others had to take over from are counted."""
    end(world, world.given_waiting())
    last = world.run()
    assert world.store.crashes(last.id) == {}


def test_what_runs_beside_a_poison_turn_is_done_all_the_same(world: World) -> None:
    """An activity that only the memory of the dead kept going gets a row, though its instance is not read."""
    world.client.run(CALL, id="calling")
    end(world, world.given_waiting())
    world.kill_turns_of("bad")
    last = world.run()
    (task,) = world.activities.begun
    last.done(task, TaskCompleted(scheduled_seq=task.seq, result="done"))
    assert world.lives(last)
    (row,) = [row for row in world.store.history("calling", 1, 1, 9) if "TaskCompleted" in row.events]
    assert any(isinstance(event, TaskCompleted) for event in decode_events(row.events))
