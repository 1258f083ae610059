"""Everything that operators can do, at random moments, to families that hold locks, while commits break.

When the trouble is over everything can end: no instance waits for ever, no lock is held, and no message,
timer or task is left.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

import perdure
from perdure.engine.errors import Busy, OutcomeUnknown, PerdureError
from perdure.engine.instance import Instance
from perdure.engine.store.rows import Batch, InstanceQuery
from tests.engine.driver import SECOND, Hub
from tests.shares import in_turn

HEAD = "dsl: perdure/1\nversion: 1.0.0\nname: "
FLOWS = {
    "leaf": """
do:
  - a: { call: Work, with: 1 }
  - e: { wait_for_event: Go, timeout: 50s }
""",
    "placed": """
concurrency: { key: all, limit: 1 }
do:
  - e: { wait_for_event: Go, timeout: 20s }
  - l:
      lock_entities: [ Box@a ]
      do: [ { w: { wait: 1s } }, { x: { call_entity: Box@a, op: put, with: 1 } } ]
""",
    "holds": """
do:
  - l:
      lock_entities: [ Box@a, Box@b ]
      do:
        - x: { call_entity: Box@a, op: put, with: 2 }
        - t: { try: [ { c: { call: Work, with: 1 } } ], catch: [ do: [ output: bad ] ] }
        - e: { wait_for_event: Go, timeout: 5s }
  - k: { call_workflow: leaf, on_parent_close: cancel }
  - d: { call_workflow: placed }
""",
    "chunks": """
do:
  - all:
      fan_out: ${ [1, 2, 3, 4, 5] }
      chunk: 2
      do: [ { c: { call: Work, with: "${ item }" } }, { s: { call_workflow: leaf } } ]
""",
    "renews": """
do:
  - r: { race: { a: [ c: { call_workflow: placed } ], b: [ w: { wait: 3s } ] } }
  - if: ${ workflow.generation < 20 }
    then: [ continue_as_new: { input: 1 } ]
""",
    "shares": """
do:
  - s: { call_workflow: leaf, instance_id: shared, if_exists: reuse }
  - d: { start_workflow: placed }
  - c: { call_workflow: renews, timeout: 30s }
""",
}
ACTS = (
    "terminate",
    "cancel",
    "suspend",
    "resume",
    "raise_event",
    "raise_event",
    "rewind",
    "restart",
    "purge",
)


@perdure.entity("Box")
class Box:
    """Keeps what was put in last."""

    value: int = 0

    def put(self, value: int) -> int:
        """Put in."""
        self.value = value
        return value


class Troubled:
    """A hub whose commits break at random, until it is left alone."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.hub = Hub(memory=self.random.choice([0, 3000, 64 << 20]))
        self.hub.activity("Work", self.work)
        self.hub.registry.add_entity(Box)
        self.troubled = True
        self.commit = self.hub.store.commit
        self.hub.store.commit = self.breaking  # type: ignore[method-assign]
        self.flows = {name: self.hub.deploy(f"{HEAD}{name}{text}") for name, text in FLOWS.items()}

    def work(self, value: Any) -> Any:
        """Fail now and then."""
        if self.random.random() < 0.15:
            raise ValueError("broken")
        return value

    def breaking(self, batch: Batch) -> int:
        """Lose a batch, or what became of it."""
        chance = self.random.random() if self.troubled else 1.0
        if chance < 0.08:
            raise Busy("locked")
        if chance < 0.12:
            raise OutcomeUnknown("not written")
        found = self.commit(batch)
        if chance < 0.15:
            raise OutcomeUnknown("written")
        return found

    def instances(self) -> list[Instance]:
        """All there are."""
        return self.hub.store.instances(InstanceQuery(limit=1000))

    def act(self, one: Instance, name: str) -> None:
        """What an operator does; it may be refused."""
        if one.chunk_of is not None and name in ("rewind", "restart"):
            return
        try:
            if name == "purge":
                self.hub.store.purge(one.id)
            elif name == "raise_event":
                self.hub.raise_event("Go", id=one.id)
            else:
                getattr(self.hub, name)(id=one.id)
        except PerdureError:
            pass

    def trouble(self) -> None:
        """Some instances, and what comes over them."""
        for number in range(self.random.randint(1, 4)):
            self.hub.start(self.flows[self.random.choice([*FLOWS])], id=f"i{number}")
        for _ in range(self.random.randint(20, 100)):
            for _ in range(self.random.randint(0, 3)):
                self.hub.round()
            chance, present = self.random.random(), self.instances()
            if chance < 0.1:
                self.hub.crash()
            elif chance < 0.4:
                self.hub.clock.now += self.random.randint(0, 4) * SECOND
            elif present:
                self.act(self.random.choice(present), self.random.choice(ACTS))
        self.troubled = False
        self.hub.run()

    def peace(self) -> None:
        """Everybody gets what they wait for."""
        for _ in range(60):
            open_ = [one for one in self.instances() if not one.status.ended]
            if not open_:
                break
            for one in open_:
                self.act(one, "resume")
                self.act(one, "raise_event")
            self.hub.advance(60)
        self.hub.advance(3600)


def check(seed: int) -> None:
    """One run."""
    troubled = Troubled(seed)
    troubled.trouble()
    troubled.peace()
    hub = troubled.hub
    for one in troubled.instances():
        assert one.status.ended, one
        hub.check(one.id)
    for key in "ab":
        row = hub.row(f"Box@{key}")
        assert row is None or (row.lock, row.task) == (None, None), row
        assert hub.leftovers(f"@Box@{key}") == []
    assert hub.owner.accepted == 0


@pytest.mark.parametrize("seed", range(15))
def test_everything_can_end(seed: int) -> None:
    """A few."""
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", in_turn(range(1000, 2000, 50)))
def test_everything_can_end_often(first: int) -> None:
    """Many."""
    for seed in range(first, first + 50):
        check(seed)
