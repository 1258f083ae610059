"""Events under every kind of trouble at once: each is consumed once, in the order of its sender."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from perdure.engine.errors import Busy, FenceLost, OutcomeUnknown
from perdure.engine.events import EventRaised
from perdure.engine.store.memory import MemoryStore
from perdure.engine.store.rows import Batch
from tests.engine.driver import SECOND, Hub, VirtualClock, compiled

EACH = 24
"""Events of each of two senders."""

# Now and then nobody waits, so that events are kept, are too many, and are set aside; generations carry them.
TAKE = compiled(
    """
    do:
      - pause: { wait: 1s }
      - some: { wait_for_event: Go, count: 3, timeout: never }
      - work: { call: Keep, with: "${ some }" }
      - if: ${ input >= 15 }
        then: [{ return: done }]
      - continue_as_new: { input: "${ input + 1 }" }
    """
)


class Shaky(MemoryStore):
    """A store whose commits fail now and then, and one in three of those that do is written all the same."""

    def __init__(self, clock: VirtualClock, dice: random.Random) -> None:
        super().__init__(clock)
        self.dice = dice
        self.peaceful = False
        self.written_without_answer = False

    def commit(self, batch: Batch) -> int:
        chance = 1.0 if self.peaceful else self.dice.random()
        if chance < 0.15:
            raise Busy("shaky")
        if chance < 0.20:
            raise FenceLost("shaky")
        time = super().commit(batch)
        if chance < 0.25 and self.written_without_answer:
            raise OutcomeUnknown("shaky")
        return time


class Storm:
    """Two senders, one through the inbox and one in memory, and a worker that has no luck.

    Who sends in memory sends its next event when the one before is durable, and again what was lost.
    """

    def __init__(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dice = random.Random(seed)
        monkeypatch.setattr("perdure.engine.residents.MAX_BUFFER", self.dice.choice([1, 2, 5]))
        monkeypatch.setattr("perdure.engine.residents.MAX_PENDING", self.dice.choice([2, 4]))
        clock = VirtualClock()
        self.store = Shaky(clock, self.dice)
        self.hub = Hub(self.store, clock=clock, memory=self.dice.choice([0, 64 << 20]))
        self.kept: dict[str, list[Any]] = {}
        self.hub.activity("Keep", self.keep)
        self.inbox = deque(("inbox", number) for number in range(EACH))
        self.memory = deque(("memory", number) for number in range(EACH))
        self.waits_for: str | None = None

    def keep(self, some: list[Any], ctx: Any) -> None:
        """Remember what was taken; once, though it may run twice."""
        self.kept[ctx.idempotency_key] = [tuple(each) for each in some]

    def from_memory(self) -> None:
        """The second sender goes on, if it may."""
        hub = self.hub
        if self.waits_for in hub.answered:
            self.memory.popleft()
            self.waits_for = None
        elif self.waits_for in hub.asked:
            self.waits_for = None
        if self.waits_for is None and self.memory:
            self.waits_for = hub.say(EventRaised(name="Go", input=self.memory[0]))

    def from_inbox(self) -> None:
        """The first sender goes on."""
        if self.inbox:
            self.hub.raise_event("Go", self.inbox.popleft())

    def anything(self) -> None:
        """Something happens."""
        hub = self.hub
        chance = self.dice.random()
        if chance < 0.25:
            self.from_inbox()
        elif chance < 0.5:
            self.from_memory()
        elif chance < 0.6:
            hub.clock.now += SECOND // 2
        elif chance < 0.65:
            (hub.suspend if hub.status() == "Running" else hub.resume)()
        elif chance < 0.67 and self.store.written_without_answer:
            hub.crash()
        else:
            hub.round()

    def calm_down(self) -> None:
        """The end of all trouble."""
        self.store.peaceful = True
        for _ in range(200):
            self.hub.run()
            self.from_inbox()
            self.from_memory()
            if self.hub.status() == "Suspended":
                self.hub.resume()
            if self.hub.instance().status.ended:
                return
            self.hub.advance(1)


@pytest.mark.parametrize("seed", range(60))
def test_a_storm_of_events(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost, doubled or overtaken by what its sender sent later."""
    storm = Storm(seed, monkeypatch)
    if seed % 2:
        # Who sends in memory cannot know then what became of its event.
        storm.store.written_without_answer = True
        storm.inbox += [("inbox", EACH + number) for number in range(EACH)]
        storm.memory.clear()
    storm.hub.start(TAKE, 0)
    for _ in range(600):
        if storm.hub.instance().status.ended:
            break
        storm.anything()
    storm.calm_down()
    assert storm.hub.output() == "done"
    taken = [each for some in storm.kept.values() for each in some]
    for sender in ("inbox", "memory"):
        count = EACH if seed % 2 == 0 else 2 * EACH * (sender == "inbox")
        assert [number for name, number in taken if name == sender] == list(range(count))
    storm.hub.check()
    assert storm.store.dead_letters() == []
