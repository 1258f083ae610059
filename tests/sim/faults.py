"""A store that fails in every way that a database over a network can, as a seed decides.

The same wrapper serves every store. What an actor sees is never more than a real one could: an error, no
answer, its own end. Who looks at the store from outside uses the inner one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from perdure.engine.errors import Busy, OutcomeUnknown, StoreError
from perdure.engine.store.protocol import Store
from tests.sim.world import SECOND, World

WRITES = frozenset(
    "join rejoin leave take_over take_slots calm begin_turn commit claim record give_back deploy pin"
    " start send reopen post purge groom forget_requests".split()
)
"""Methods that write, so that the outcome may be unknown."""
FREE = frozenset(["time", "changed", "close", "kill"])
"""What is answered without the database, or never fails."""
KINDS = (
    "fail_before",
    "fail_after",
    "crash_before",
    "crash_after",
    "stall",
    "delay",
    "duplicate",
    "busy_burst",
    "outage",
    "false_hint",
    "clock_jump",
    "shutdown",
    "no_answer",
)
DEADLY = frozenset(["crash_before", "crash_after", "stall", "delay"])
"""What makes others take over. So many times at most that no task is handed out five times."""
MOST_DEADLY = 3


@dataclass
class Plan:
    """Which faults there are in a run, and how often: some are off in each (swarm testing)."""

    random: Random
    rates: dict[str, float]
    long_time: bool
    active: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    outage_until: int = 0
    calls: int = 0

    @classmethod
    def drawn(cls, random: Random, *, long_time: bool) -> Plan:
        """A plan of its own for each seed."""
        rates = dict.fromkeys(KINDS, 0.0)
        for kind in KINDS:
            if random.random() < 0.55:
                rates[kind] = random.choice([0.002, 0.01, 0.04])
        rates["shutdown"] /= 4
        rates["fail_after"] *= 3
        rates["no_answer"] *= 3
        return cls(random, rates, long_time)

    def happens(self, kind: str) -> bool:
        """Whether a fault happens now; counted."""
        if not self.active or self.random.random() >= self.rates[kind]:
            return False
        if kind in DEADLY and sum(self.counts[each] for each in DEADLY) >= MOST_DEADLY:
            return False
        self.counts[kind] += 1
        return True


class FaultyStore:
    """What one process sees of the store.

    ``crash`` ends the process and does not return. ``written`` hears of each write that was applied:
    its name, arguments and result.
    """

    def __init__(
        self,
        inner: Store,
        world: World,
        plan: Plan,
        name: str,
        *,
        crash: Callable[[], None],
        written: Callable[[str, tuple[Any, ...], Any], None],
        lease: int,
    ) -> None:
        self._inner = inner
        self._world = world
        self._plan = plan
        self._name = name
        self._crash = crash
        self._written = written
        self._lease = lease
        self._seen = -1
        self.writes = 0
        """How many writes all processes have made, kept by the simulation."""

    def time(self) -> int:
        """The store's time."""
        return self._inner.time()

    def changed(self) -> bool:
        """Whether another has written: never missed, and now and then said in vain."""
        news, self._seen = self._seen != self.writes, self.writes
        return news or self._plan.happens("false_hint")

    @property
    def news(self) -> bool:
        """Whether another process may have written since ``changed`` was asked."""
        return self._seen != self.writes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            return self._call(name, method, arguments, more)

        return call

    def _call(
        self, name: str, method: Callable[..., Any], arguments: tuple[Any, ...], more: dict[str, Any]
    ) -> Any:
        world, plan = self._world, self._plan
        plan.calls += 1
        world.pause()
        if plan.happens("clock_jump"):
            world.now += plan.random.randrange(1, 3600 * SECOND)
            world.note("the clock jumps")
        if plan.happens("busy_burst"):
            plan.outage_until = world.now + plan.random.randrange(1, SECOND // 2)
        if plan.happens("outage"):
            plan.outage_until = world.now + plan.random.randrange(1, 4 * self._lease)
        if plan.active and world.now < plan.outage_until:
            self._note(name, "finds the database away")
            raise Busy("the database is away")
        if plan.happens("fail_before"):
            self._note(name, "fails before")
            raise Busy("injected: nothing happened")
        if name in WRITES and plan.happens("no_answer"):
            self._note(name, "is cut off, and was not done")
            raise OutcomeUnknown("injected: not done, and no answer")
        if plan.happens("crash_before"):
            self._note(name, "crash before")
            self._crash()
        if name in WRITES and plan.happens("stall"):
            self._note(name, "stalls")
            world.sleep(plan.random.randrange(self._lease, 4 * self._lease))
        if name == "commit" and plan.happens("delay"):
            self._note(name, "is on its way, and nobody hears of it")
            delay = plan.random.randrange(1, 3 * self._lease)
            world.later(f"{self._name}'s late commit", delay, lambda: self._late(method, arguments))
            raise OutcomeUnknown("injected: no answer")
        result = method(*arguments, **more)
        if name not in WRITES or (name == "claim" and not result):
            return result
        self._note(name, "done")
        self._written(name, arguments, result)
        if name == "commit" and plan.happens("duplicate"):
            self._again(method, arguments)
        if plan.happens("fail_after"):
            self._note(name, "no answer")
            raise OutcomeUnknown("injected: done, but no answer")
        if plan.happens("crash_after"):
            self._note(name, "crash after")
            self._crash()
        world.pause()
        return result

    def _late(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """A commit that arrives when its sender has given it up."""
        try:
            result = method(*arguments)
        except StoreError as error:
            self._note("commit", f"comes late and is refused: {error}")
        else:
            self._note("commit", "comes late and is done")
            self._written("commit", arguments, result)

    def _again(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """The same commit twice, as a network may deliver it. What has guards is refused."""
        (batch,) = arguments
        if not any(each.history for each in batch.checkpoints):
            return
        try:
            method(batch)
        except StoreError:
            return
        raise AssertionError(f"a commit of {self._name} was taken twice")

    def _note(self, name: str, what: str) -> None:
        self._world.note(f"{self._name}: {name} {what}")
