"""An entity that is told something while nobody knows what it is."""

from __future__ import annotations

import msgspec

from perdure.engine.client import Client
from tests.sim.scenes.stage import Scene, deployed
from tests.sim.world import SECOND

LATECOMER = """\
dsl: perdure/1
kind: entity
name: Latecomer
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }" }
"""
ID = "Latecomer@late"
SIGNALS = 3
QUIET = 40 * SECOND


class Late(Scene):
    """Its definition is retired when somebody could look at what it was told, and comes back."""

    def begin(self) -> None:
        """It is told everything before there is anybody."""
        client = Client(self.stage.hub.outside())
        client.deploy([deployed(LATECOMER)])
        for _ in range(SIGNALS):
            client.signal_entity(ID, "add", 1)
        client.retire("Latecomer", "1.0.0")
        self.asking.spawn("Latecomer", self._activate)

    def _activate(self) -> None:
        if self.random.random() < 0.5:
            # When nothing else wakes whoever rests.
            while not self.stage.at_peace():
                self.world.sleep(SECOND)
        self.asking.rest(QUIET)
        self.stage.done("Latecomer", "activate", lambda client: client.activate("Latecomer", "1.0.0"))
        while self._sum() != SIGNALS:
            self.world.sleep(self.stage.poll)

    def _sum(self) -> int:
        rows = [row for row in self.stage.hub.rows("entities") if row["id"].endswith(ID)]
        return int(msgspec.json.decode(rows[0]["state"] or "0")) if rows else 0

    def account(self) -> None:
        """Each signal counts once."""
        assert self._sum() == SIGNALS, f"{ID} has {self._sum()} of {SIGNALS} signals"
