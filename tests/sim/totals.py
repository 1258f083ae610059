"""What many runs have seen together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.sim.plan import KINDS
from tests.sim.run import Report

YEAR = 365 * 86_400


@dataclass
class Totals:
    """Sums over reports."""

    seeds: int = 0
    calls: int = 0
    virtual_seconds: float = 0.0
    processes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    compared: int = 0
    notices: Counter[str] = field(default_factory=Counter)
    waited: float = 0.0

    def add(self, report: Report) -> None:
        """One more run."""
        self.seeds += 1
        self.calls += report.calls
        self.virtual_seconds += report.virtual_seconds
        self.processes += report.joined
        self.faults.update(report.faults)
        self.writes.update(report.writes)
        self.statuses.update(report.statuses)
        self.replayed += report.replayed
        self.compared += report.compared
        self.notices.update(report.notices)
        self.waited = max(self.waited, report.waited)

    @property
    def years(self) -> float:
        """Virtual time."""
        return self.virtual_seconds / YEAR

    def share(self, kind: str) -> float:
        """Of a kind among all faults."""
        return self.faults[kind] / max(self.faults.total(), 1)

    def __str__(self) -> str:
        shares = ", ".join(f"{kind} {self.faults[kind]} ({self.share(kind):.1%})" for kind in KINDS)
        told = f"notices: {dict(self.notices)}; nothing waited longer than {self.waited:.1f} s for who rests"
        return "\n".join(
            [
                *([told] if self.notices else []),
                f"{self.calls} calls of {self.processes} processes, {self.years:.1f} virtual years",
                f"{self.replayed} histories replayed, {self.compared} states in memory compared with them",
                f"instances: {dict(self.statuses)}",
                f"{self.faults.total()} faults: {shares}",
                f"writes: {dict(self.writes.most_common())}",
            ]
        )
