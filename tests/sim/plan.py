"""Which faults there are in a run, and how often: some are off in each, and never all at full strength."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

USUAL = {
    "fail_before": 0.005,
    "fail_after": 0.02,
    "no_answer": 0.01,
    "crash_before": 0.0025,
    "crash_after": 0.012,
    "tear": 0.005,
    "power_loss": 0.006,
    "stall": 0.006,
    "delay": 0.02,
    "duplicate": 0.03,
    "reorder": 0.1,
    "busy_burst": 0.002,
    "outage": 0.001,
    "full": 0.0015,
    "clock_jump": 0.0015,
    "skew": 0.5,
    "false_hint": 0.006,
    "shutdown": 0.01,
}
"""How often each kind happens where it can, on the average of the runs in which it does."""
KINDS = tuple(USUAL)
STRENGTHS = (0.5, 1, 4)
DEADLY = frozenset(["crash_before", "crash_after", "tear", "power_loss", "stall"])
"""What makes others take over."""
MOST_DEADLY = 6
"""Of a run: with more of them nothing else would happen."""


@dataclass(frozen=True)
class Cut:
    """What is left out of a seed's run, to see whether it fails without."""

    without: frozenset[str] = frozenset()
    """Kinds of faults."""
    orders: frozenset[int] | None = None
    """The orders that stay; None for all."""
    processes: int | None = None
    """How many there are in the beginning, at most."""
    faults: int | None = None
    """After how many faults there is no more."""

    @property
    def options(self) -> str:
        """The same for the command line."""
        parts = []
        if self.without:
            parts.append(f"--without {','.join(sorted(self.without))}")
        if self.orders is not None:
            parts.append(f"--orders {','.join(map(str, sorted(self.orders)))}")
        if self.processes is not None:
            parts.append(f"--processes {self.processes}")
        if self.faults is not None:
            parts.append(f"--faults {self.faults}")
        return " ".join(parts)


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
    def drawn(cls, random: Random, cut: Cut) -> Plan:
        """A plan of its own for each seed. What is cut does not change how the rest is drawn."""
        on = {kind: random.random() < 0.55 for kind in KINDS}
        rates = {kind: usual * random.choice(STRENGTHS) * on[kind] for kind, usual in USUAL.items()}
        return cls(random, rates | dict.fromkeys(cut.without, 0.0), most=cut.faults)

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
