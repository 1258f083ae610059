"""What takes notices from process to process: late, twice, in another order; and in some runs not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from perdure.engine.store.notices import EVERYTHING, Notice, notice_in
from tests.sim.world import SECOND, World

SOON = SECOND // 50
LATE = 3 * SECOND
"""Microseconds that a notice may take: most, and some."""
LATELY, TWICE = 0.1, 0.1
"""The parts of them that are late, and that come twice."""
LOST = (0.05, 0.3, 1.0)
"""The part that is lost, where any are."""
HEARS = (3 * SECOND, 20 * SECOND, 200 * SECOND)
"""How long a connection lasts, at most."""
UNNOTICED = 15 * SECOND
"""How long nobody knows that it is broken, at most: who listens proves that it hears only so often."""
DEAF = (SECOND // 10, 5 * SECOND)
"""How long it takes to have the first one, and another, at most."""


class Wire:
    """Between all processes of a run. Where it is ``sure``, what is told reaches everybody who listens.

    ``counts`` says what became of the notices.
    """

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.sure = random.random() < 0.5
        self.lost = 0.0 if self.sure else random.choice(LOST)
        self.lasts = random.choice(HEARS)
        self.counts: Counter[str] = Counter()
        self._ears: list[Ear] = []

    def send(self, sender: Ear, text: str) -> None:
        """Take a notice to everybody else."""
        self.counts["sent"] += 1
        for ear in self._ears:
            if ear is not sender:
                self._bring(ear, text)

    def _bring(self, ear: Ear, text: str) -> None:
        if self.random.random() < self.lost:
            self.counts["lost"] += 1
            return
        times = 2 if self.random.random() < TWICE else 1
        self.counts["doubled"] += times - 1
        for _ in range(times):
            late = self.random.random() < LATELY
            self.counts["late"] += late
            delay = self.random.randrange(1, LATE if late else SOON)
            self.world.later("a notice", delay, lambda: ear.hear(text), ear.group)

    def join(self, ear: Ear) -> None:
        """Somebody wants to hear what others tell."""
        self._ears.append(ear)
        self.world.spawn("a listener", ear.live, ear.group)

    def leave(self, ear: Ear) -> None:
        """Nobody does any more."""
        self._ears = [each for each in self._ears if each is not ear]


class Ear:
    """How a process hears what others tell: ``heard`` is called with each, ``lost`` when it is deaf."""

    def __init__(self, wire: Wire, *, heard: Callable[[Notice], None], lost: Callable[[], None]) -> None:
        self.wire = wire
        self.group: object = None
        """The process whose it is, and with which it ends."""
        self.hears = False
        """What the process knows: whether it would hear now what others tell."""
        self._connected = False
        """Whether it would."""
        self._heard = heard
        self._lost = lost

    def hear(self, text: str) -> None:
        """A notice arrives, if there is a connection on which it could."""
        if self._connected:
            self.wire.counts["heard"] += 1
            self._heard(notice_in(text))
        else:
            self.wire.counts["unheard"] += 1

    def live(self) -> None:
        """Connections, one after the other."""
        wire, world, random = self.wire, self.wire.world, self.wire.random
        first, again = DEAF
        world.sleep(random.randrange(1, first))
        while True:
            self._connected = self.hears = True
            self._heard(EVERYTHING)
            world.sleep(random.randrange(1, wire.lasts))
            self._connected = False
            if not wire.sure and random.random() < 0.5:
                wire.counts["unnoticed"] += 1
                world.sleep(random.randrange(1, UNNOTICED))
            self.hears = False
            wire.counts["deaf"] += 1
            self._lost()
            world.sleep(random.randrange(1, again))
