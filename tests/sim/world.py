"""One thread, one seed, virtual time: actors that run in an order the seed decides.

An actor is a greenlet. It runs until it pauses, sleeps or waits; then the world chooses who goes on. When
nobody can, time jumps to when somebody will. The same seed makes the same choices.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import greenlet

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_700_000_085 * SECOND
"""A quarter of a minute before a time that a schedule names."""
TIDY_EVERY = 32
"""Steps after which those who are over are forgotten."""
TRUE = (1.0, 0.0)
"""The pace of a clock that is right."""


class Killed(BaseException):
    """The process that this actor belongs to is over. Nothing catches it."""


class Actor:
    """Something that acts; ``group`` dies together."""

    def __init__(self, name: str, run: Callable[[], None], group: object, parent: greenlet) -> None:
        self.name = name
        self.group = group
        self.pace: tuple[float, float] = getattr(group, "pace", TRUE)
        """How fast its clock goes, and how many seconds it is ahead."""
        self.wake_at: int | None = 0
        """When it can go on, by the world's time; None for never, unless ``event`` is set."""
        self.event: threading.Event | None = None
        self.over = False
        self.done = threading.Event()
        """Set when it is over."""
        self._greenlet = greenlet(self._main, parent)
        self._run = run

    def _main(self) -> None:
        try:
            self._run()
        except Killed:
            pass
        finally:
            self.end()

    def end(self) -> None:
        """It acts no more."""
        self.over = True
        self.done.set()

    def resume(self) -> None:
        """Let it run to its next pause."""
        self._greenlet.switch()

    def kill(self) -> None:
        """End it where it stands."""
        if not self.over:
            self.end()
            if self._greenlet:
                # Whoever kills goes on at once.
                self._greenlet.parent = greenlet.getcurrent()
                self._greenlet.throw(Killed)


class World:
    """Time, chance and the actors. It is the clock of ``engine.clock`` too."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = START
        self.offset = 0
        """How far the store's clock is ahead: it is set now and then, and the time does not care."""
        self.steps = 0
        self.decisions: list[str] = []
        self._actors: list[Actor] = []
        self._main = greenlet.getcurrent()
        self._present: Actor | None = None

    # -- time -------------------------------------------------------------------------------------

    def __call__(self) -> int:
        """The clock of a store: microseconds."""
        return self.now + self.offset

    def monotonic(self) -> float:
        """Seconds by the clock of whoever asks."""
        seconds = (self.now - START) / SECOND
        if self._present is None:
            return seconds
        rate, ahead = self._present.pace
        return seconds * rate + ahead

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Let others run until the event is set, or the time is over."""
        actor = self._here()
        actor.event = event
        actor.wake_at = None if timeout is None else self.now + round(timeout * SECOND)
        self._switch()
        actor.event = None
        return event.is_set()

    # -- actors -----------------------------------------------------------------------------------

    def spawn(self, name: str, run: Callable[[], None], group: object) -> Actor:
        """A new actor, that may run from now on."""
        # Who ends gives way to the world, not to who made it.
        actor = Actor(name, run, group, self._main)
        actor.wake_at = self.now
        self._actors.append(actor)
        return actor

    def later(self, name: str, delay: int, act: Callable[[], None], group: object = None) -> None:
        """Do something in ``delay`` microseconds."""
        self.spawn(name, act, group).wake_at = self.now + delay

    def pause(self) -> None:
        """Let others run first, perhaps."""
        self._here().wake_at = self.now
        self._switch()

    def sleep(self, duration: int) -> None:
        """Let this time pass, or less if somebody wakes us."""
        self._here().wake_at = self.now + max(duration, 1)
        self._switch()

    def wake(self, group: object) -> None:
        """Whoever of the group sleeps may go on."""
        for actor in self._actors:
            if actor.group is group and actor.event is None:
                actor.wake_at = self.now

    def kill(self, group: object) -> None:
        """End all actors of a group. Whoever calls and belongs to it ends as well, at once."""
        for actor in self._actors:
            if actor.group is group and actor is not self._present:
                actor.kill()
        if self._present is not None and self._present.group is group:
            self._present.end()
            raise Killed

    def end(self) -> None:
        """Nobody acts any more."""
        for actor in self._actors:
            actor.kill()

    def alive(self, group: object) -> bool:
        """Whether any actor of a group is left."""
        return any(actor.group is group and not actor.over for actor in self._actors)

    def note(self, text: str) -> None:
        """Write down a decision, for whoever reads about this run."""
        self.decisions.append(f"{(self.now - START) / SECOND:14.6f} {text}")

    # -- running ----------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool], limit: int) -> bool:
        """Let actors run until the condition holds; False when it does not after ``limit`` steps."""
        for _ in range(limit):
            if until():
                return True
            if not self._step():
                return until()
        return until()

    def _step(self) -> bool:
        if self.steps % TIDY_EVERY == 0:
            self._actors = [actor for actor in self._actors if not actor.over]
        now = self.now
        # A call for each actor would take most of the time of a step.
        ready = [
            actor
            for actor in self._actors
            if not actor.over
            and (
                (actor.wake_at is not None and actor.wake_at <= now)
                or (actor.event is not None and actor.event.is_set())
            )
        ]
        if not ready:
            times = [a.wake_at for a in self._actors if not a.over and a.wake_at is not None]
            if not times:
                return False
            self.now = max(self.now, min(times))
            return True
        self.steps += 1
        self.now += self.random.randrange(1, 2000)
        self._present = self.random.choice(ready)
        self._present.resume()
        self._present = None
        return True

    def _here(self) -> Actor:
        assert self._present is not None, "only actors wait"
        return self._present

    def _switch(self) -> Any:
        return self._main.switch()
