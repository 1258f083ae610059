"""A run in which workers are told of what others write, and whoever could overlook something is watched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.sim.hubs import Hub
from tests.sim.plan import Cut
from tests.sim.run import Report, Run
from tests.sim.scenes.late import Late
from tests.sim.told.hub import ToldHub
from tests.sim.told.process import ToldProcess
from tests.sim.told.promptness import Promptness
from tests.sim.world import SECOND, World

SAFETY = 5_000
"""Steps with faults."""
LIVENESS = 500_000
"""Steps without: somebody may let minutes pass, in which who is deaf takes many."""
LATE = 0.3


class ToldRun(Run):
    """Time is short in it: who looks every second would take too many steps in days."""

    hurried = True
    safety = SAFETY
    liveness = LIVENESS

    def __init__(self, world: World, seed: int, hub: ToldHub, idle: Hub, cut: Cut) -> None:
        super().__init__(world, seed, hub, idle, cut)
        self.wire = hub.wire
        self.promptness = Promptness(self.network, hub, self.processes)
        if Random(f"the definitions of {seed}").random() < LATE:
            self.scenes.append(Late(self.stage))

    def whole(self) -> Report:
        self.promptness.begin()
        report = super().whole()
        return replace(report, notices=dict(self.wire.counts), waited=self.promptness.longest / SECOND)

    def _process(self, name: str, offers: Sequence[str], queues: Sequence[str]) -> Any:
        return ToldProcess(
            self.network,
            name,
            self.ledger,
            memory=self.memory,
            page=self.page,
            offers=offers,
            queues=queues,
            look=self.promptness.look,
            on_crash=self._crashed,
        )

    def _wake_all(self) -> None:
        """Whoever is to know it is told."""
