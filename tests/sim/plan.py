"""Which faults there are in a run, and how often: some are off in each, and never all at full strength."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

USUAL = {
    "fail_before": 0.005,
    "fail_after": 0.02,
    "no_answer": 0.012,
    "crash_before": 0.0015,
    "crash_after": 0.008,
    "tear": 0.005,
    "power_loss": 0.006,
    "stall": 0.004,
    "delay": 0.02,
    "duplicate": 0.03,
    "reorder": 0.1,
    "busy_burst": 0.003,
    "outage": 0.001,
    "full": 0.0015,
    "clock_jump": 0.002,
    "skew": 0.5,
    "false_hint": 0.01,
    "shutdown": 0.005,
}
"""How often each kind happens where it can, on the average of the runs in which it does."""
KINDS = tuple(USUAL)
STRENGTHS = (0.4, 1, 3)
DEADLY = frozenset(["crash_before", "crash_after", "tear", "power_loss", "stall"])
"""What makes others take over."""
MOST_DEADLY = 6
"""Of a run: with more of them nothing else would happen."""


@dataclass
class Plan:
    """The faults of a run. ``most`` ends them after so many."""

    random: Random
    rates: dict[str, float]
    active: bool = True
    most: int | None = None
    counts: Counter[str] = field(default_factory=Counter)
    deaths: int = 0
    """How often a member has ended, or was stopped for longer than its lease."""
    calls: int = 0

    @classmethod
    def drawn(cls, random: Random) -> Plan:
        """A plan of its own for each seed."""
        on = {kind: random.random() < 0.55 for kind in KINDS}
        rates = {kind: usual * random.choice(STRENGTHS) * on[kind] for kind, usual in USUAL.items()}
        return cls(random, rates)

    def without(self, kinds: frozenset[str]) -> None:
        """Leave out some kinds. The others are drawn as before."""
        self.rates |= dict.fromkeys(kinds, 0.0)

    def happens(self, kind: str) -> bool:
        """Whether a fault happens now; counted."""
        if not self.active or self.random.random() >= self.rates[kind]:
            return False
        if self.most is not None and self.counts.total() >= self.most:
            return False
        self.counts[kind] += 1
        return True

    def kills(self, kind: str, may_die: Callable[[], bool]) -> bool:
        """Whether a fault happens now by which a member ends."""
        if not self.active or self.random.random() >= self.rates[kind]:
            return False
        over = self.most is not None and self.counts.total() >= self.most
        if over or self.deaths >= MOST_DEADLY or not may_die():
            return False
        self.deaths += 1
        self.counts[kind] += 1
        return True
