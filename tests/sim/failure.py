"""A promise that was broken, with all that is needed to look at it again."""

from __future__ import annotations

import subprocess
import traceback
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from perdure.engine.instance import Status
from tests.checkout import ROOT
from tests.sim.hubs import Hub
from tests.sim.tables import Row

if TYPE_CHECKING:
    from tests.sim.plan import Cut, Plan
    from tests.sim.world import World

LAST = 200
"""Decisions that are shown; a file has all."""
MOST_ROWS = 20
"""Of a table, that are shown."""


class Failure(AssertionError):
    """A promise was broken; the text says by which seed, and how to see it again."""

    def __init__(
        self,
        seed: int,
        cut: Cut,
        plan: Plan,
        orders: frozenset[int],
        world: World,
        hub: Hub,
        error: BaseException,
    ) -> None:
        self.reason = f"{error}" or type(error).__name__
        self.plan = plan
        self.orders = orders
        self.steps = world.steps
        self.decisions = world.decisions
        again = f"python -m tests.sim {seed} --store {hub.kind} {cut.options}".rstrip()
        on = {kind: round(rate, 5) for kind, rate in plan.rates.items() if rate}
        self.head = "\n".join(
            [
                f"seed {seed} on {hub.kind}: {self.reason}",
                f"see it again: {again} (at commit {commit()})",
                f"faults that were on: {on}",
                f"faults that happened: {dict(plan.counts)}",
            ]
        )
        text = "".join(traceback.format_exception(error, limit=-6))
        last = "\n".join(self.decisions[-LAST:])
        super().__init__(f"{self.head}\n{described(hub)}\nthe last decisions:\n{last}\n\n{text}")

    def write(self, directory: Path) -> Path:
        """A file with every decision of the run."""
        directory.mkdir(parents=True, exist_ok=True)
        first = self.head.partition(":")[0].replace(" ", "-")
        path = directory / f"{first}.txt"
        path.write_text("\n".join([self.head, *self.decisions, str(self)]), "utf-8")
        return path


def described(hub: Hub) -> str:
    """What somebody wants to see of a run that is stuck: who is there, and what waits for whom."""
    owners = Counter(row["owner"] for row in hub.rows("slots"))
    open_ = [row for row in hub.rows("instances") if not Status(row["status"]).ended]
    tables = {
        "workers": hub.rows("workers"),
        "instances that have not ended": open_,
        "inbox": hub.rows("inbox"),
        "tasks": hub.rows("tasks"),
        "timers": hub.rows("timers"),
    }
    lines = [f"slots: {dict(owners)}"]
    for name, rows in tables.items():
        lines.append(f"{name}: {len(rows)}")
        lines += [f"  {_short(row)}" for row in rows[:MOST_ROWS]]
    return "\n".join(lines)


def _short(row: Row) -> str:
    return ", ".join(f"{name}={str(value)[:60]}" for name, value in row.items() if value not in (None, "", 0))


@cache
def commit() -> str:
    """What is checked out, as far as git knows."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    return answer.stdout.strip() or "unknown"
