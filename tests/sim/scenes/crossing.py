"""Instances that lock the same two entities in opposite orders: none waits for ever, none comes between."""

from __future__ import annotations

from functools import partial

import msgspec

from perdure.engine.client import Client
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, deployed

TIMES = 3
KEYS = ("east", "west")
CROSSING = """\
dsl: perdure/1
name: crossing
version: 1.0.0
do:
  - crossed:
      for_each: {times}
      do:
        - both:
            lock_entities: ["Tally@${{ input.first }}", "Tally@${{ input.second }}"]
            do:
              - seen: {{ call_entity: "Tally@${{ input.second }}", op: get }}
              - put: {{ call_entity: "Tally@${{ input.second }}", op: put, with: "${{ seen + 1 }}" }}
  - return: ${{ size(crossed) }}
"""


class Crossing(Scene):
    """One from each side."""

    def begin(self) -> None:
        """Both at once."""
        Client(self.stage.hub.outside()).deploy([deployed(CROSSING.format(times=list(range(TIMES))))])
        for first, second in (KEYS, KEYS[::-1]):
            self.asking.spawn(first, partial(self._cross, first, second))

    def _cross(self, first: str, second: str) -> None:
        start = partial(_started, first, second)
        self.stage.done(f"from-{first}", "start", start)
        self.stage.until_ended(f"from-{first}")

    def account(self) -> None:
        """Each has added to the other's side, as often as it crossed."""
        for key in KEYS:
            row = self.stage.row(f"from-{key}")
            assert row is not None and row.status is Status.COMPLETED, f"from-{key} is {row}"  # noqa: PT018
            (entity,) = self.stage.store.load_entities([f"@Tally@{key}"])
            assert msgspec.json.decode(entity.state or "0") == TIMES, f"C6: Tally@{key} is {entity.state}"


def _started(first: str, second: str, client: Client) -> object:
    given = {"first": first, "second": second}
    return client.start("crossing", given, id=f"from-{first}", request_key=first)
