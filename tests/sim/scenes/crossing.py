"""Instances that lock the same two entities in opposite orders: none waits for ever, none comes between."""

from __future__ import annotations

from functools import partial

import msgspec

from perdure.engine.client import Client
from perdure.engine.errors import Ended
from perdure.engine.instance import Status
from tests.sim.scenes.stage import Scene, deployed
from tests.sim.world import SECOND

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
              - here: {{ call_entity: "Tally@${{ input.first }}", op: get }}
              - there: {{ call_entity: "Tally@${{ input.second }}", op: get }}
              - more: {{ call_entity: "Tally@${{ input.first }}", op: put, with: "${{ here + 1 }}" }}
              - most: {{ call_entity: "Tally@${{ input.second }}", op: put, with: "${{ there + 1 }}" }}
  - return: ${{ size(crossed) }}
"""
STANDING = """\
dsl: perdure/1
name: standing
version: 1.0.0
do:
  - stood:
      lock_entities: [Tally@east, Tally@west]
      do:
        - nap: {{ wait: {nap} }}
"""
IN_THE_WAY = "in-the-way"


class Crossing(Scene):
    """One from each side; and one that stands in the way, until somebody stops it."""

    def begin(self) -> None:
        """All at once."""
        standing = STANDING.format(nap=self.stage.time("20s", "90d"))
        entries = [deployed(CROSSING.format(times=list(range(TIMES)))), deployed(standing)]
        Client(self.stage.hub.outside()).deploy(entries)
        for first, second in (KEYS, KEYS[::-1]):
            self.asking.spawn(first, partial(self._cross, first, second))
        self.asking.spawn(IN_THE_WAY, self._stand)

    def _cross(self, first: str, second: str) -> None:
        start = partial(_started, first, second)
        self.stage.done(f"from-{first}", "start", start)
        self.stage.until_ended(f"from-{first}")

    def _stand(self) -> None:
        self.stage.done(IN_THE_WAY, "start", _stood)
        self.asking.rest(10 * SECOND)
        stop = self.random.choice([_terminated, _canceled])
        self.stage.refused(IN_THE_WAY, "stop", stop, Ended)
        self.stage.until_ended(IN_THE_WAY)

    def account(self) -> None:
        """Each has added to both sides, as often as it crossed, and nobody's number is lost."""
        for key in KEYS:
            row = self.stage.row(f"from-{key}")
            assert row is not None and row.status is Status.COMPLETED, f"from-{key} is {row}"  # noqa: PT018
            (entity,) = self.stage.store.load_entities([f"@Tally@{key}"])
            found, wanted = msgspec.json.decode(entity.state or "0"), TIMES * len(KEYS)
            assert found == wanted, f"C6: Tally@{key} is {found}, not {wanted}"


def _started(first: str, second: str, client: Client) -> object:
    given = {"first": first, "second": second}
    return client.start("crossing", given, id=f"from-{first}", request_key=first)


def _stood(client: Client) -> object:
    return client.start("standing", id=IN_THE_WAY, request_key=IN_THE_WAY)


def _terminated(client: Client) -> object:
    return client.terminate(IN_THE_WAY, request_key="stop")


def _canceled(client: Client) -> object:
    return client.cancel(IN_THE_WAY, request_key="stop")
