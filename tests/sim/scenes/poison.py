"""An activity that takes its process down each time: after some hand-outs it is not handed out again (I9)."""

from __future__ import annotations

import msgspec

from perdure.engine.claims import MAX_DELIVERIES
from perdure.engine.client import Client
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, deployed
from tests.sim.world import SECOND

POISONED = """\
dsl: perdure/1
name: poisoned
version: 1.0.0
do:
  - survived:
      try:
        - killed: { call: Kill, with: killer }
        - output: nothing
      catch:
        - do: [{ output: "${ error.type }" }]
  - return: ${ survived }
"""
ID = "poisoned"


class Poison(Scene):
    """Its instance hears of it, and goes on."""

    def begin(self) -> None:
        """One instance."""
        Client(self.stage.hub.outside()).deploy([deployed(POISONED)])
        self.asking.spawn(ID, self._serve)

    def _serve(self) -> None:
        self.asking.rest(SECOND)
        self.stage.done(ID, "start", _started)
        self.stage.until_ended(ID)

    def account(self) -> None:
        """It was carried out as often as it was handed out, and no more."""
        row, output = self.stage.row(ID), self.stage.store.payloads(ID).get("output", "null")
        assert row is not None, ID
        assert row.status is Status.COMPLETED, f"{ID} is {row.status}"
        assert msgspec.json.decode(output) == "perdure.Poison", f"{ID} gives {output}"
        (key,) = self.stage.ledger.own[ID, "killer"]
        times = self.stage.ledger.executions[key]
        # What a stop cuts short was not handed out, as it seems; it may still kill who is about to end.
        most = MAX_DELIVERIES + self.stage.shutdowns()
        assert times <= most, f"I9: what kills was handed out {times} times"


def _started(client: Client) -> object:
    return client.start("poisoned", id=ID, request_key=ID)
