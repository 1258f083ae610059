"""The world outside: what activities have really done, and how often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from perdure.engine.activities import ActivityError, Context, Pending, Registry
from tests.sim.documents.entities import Count

ACTIVITIES = ("Work", "Break", "Ask", "Report", "Large")
KILL = "Kill"
"""The activity that its process does not survive."""
REPORTS = 3


@dataclass(frozen=True)
class Given:
    """A token that an activity has given away, and what it is to be completed with."""

    token: str
    result: int
    instance: str


def _nothing(*_: object) -> None:
    """Nobody wants to know."""


class Ledger:
    """Each activity adds one, under its idempotency key.

    ``rest`` lets time pass within an activity, ``give`` hears of tokens.
    """

    def __init__(self, rest: Callable[[], None] = _nothing, give: Callable[[Given], None] = _nothing) -> None:
        self.executions: Counter[str] = Counter()
        """By idempotency key."""
        self.keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """The keys of each labelled activity of an instance and its children."""
        self.own: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """The same without its children."""
        self.problems: list[str] = []
        """What activities have seen that cannot be."""
        self._reported: Counter[str] = Counter()
        self._rest = rest
        self._give = give
        self._registries: dict[tuple[str, ...], Registry] = {}

    def registry(self, names: Iterable[str]) -> Registry:
        """Some of the activities, to be offered by workers. They share it: to read signatures takes long."""
        key = tuple(sorted(names))
        if key not in self._registries:
            self._registries[key] = self._new_registry(key)
        return self._registries[key]

    def _new_registry(self, names: Iterable[str]) -> Registry:
        registry = Registry()
        functions: dict[str, Callable[..., Any]] = {
            "Work": self._work,
            "Break": self._break,
            "Ask": self._ask,
            "Report": self._report,
            "Large": self._large,
        }
        registry.add(KILL, self.kill)
        for name in names:
            registry.add(name, functions[name])
        registry.add_entity(Count)
        return registry

    def _work(self, label: str, n: int, fails: int, ctx: Context) -> int:
        self._add(label, ctx)
        if ctx.attempt <= fails:
            raise ActivityError(f"attempt {ctx.attempt} fails", type="Flaky")
        return n * 2 + 1

    def _break(self, label: str, ctx: Context) -> None:
        self._add(label, ctx)
        raise ActivityError("always", type="Broken", retryable=False)

    def _ask(self, label: str, n: int, ctx: Context) -> None:
        self._add(label, ctx)
        self._give(Given(ctx.token(), n * 2 + 1, ctx.instance_id.partition(":")[0]))
        raise Pending

    def _report(self, label: str, n: int, ctx: Context) -> int:
        """It says how far it is; who goes on with it hears that, and nothing that nobody has said."""
        self._add(label, ctx)
        before = ctx.heartbeat_details
        if before is not None and not (
            before["key"] == ctx.idempotency_key and 0 < before["part"] <= self._reported[before["key"]]
        ):
            self.problems.append(f"{label} of {ctx.instance_id} is told {before}, which nobody has said")
        for part in range(1, REPORTS + 1):
            self._reported[ctx.idempotency_key] = max(self._reported[ctx.idempotency_key], part)
            ctx.heartbeat({"key": ctx.idempotency_key, "part": part})
            self._rest()
        return n * 2 + 1

    def _large(self, label: str, text: str, size: int, ctx: Context) -> str:
        """Make a large text, or give it back."""
        self._add(label, ctx)
        if text and (len(text) != size or set(text) != {"x"}):
            self.problems.append(f"{label} of {ctx.instance_id} is given another text than was made")
        return text or "x" * size

    def kill(self, label: str, ctx: Context) -> None:
        """Whoever runs it ends then."""
        self._add(label, ctx)

    def _add(self, label: str, ctx: Context) -> None:
        self.executions[ctx.idempotency_key] += 1
        self.own[ctx.instance_id, label].add(ctx.idempotency_key)
        # What a child does is done for the instance that it is a part of.
        self.keys[ctx.instance_id.partition(":")[0], label].add(ctx.idempotency_key)
