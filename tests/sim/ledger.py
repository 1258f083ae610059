"""The world outside: what activities have really done, and how often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from perdure.engine.activities import ActivityError, Context, Registry
from tests.sim.documents.entities import Count


class Ledger:
    """Each activity adds one, under its idempotency key."""

    def __init__(self) -> None:
        self.executions: Counter[str] = Counter()
        """By idempotency key."""
        self.keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """The keys of each labelled activity of an instance and its children."""

    def registry(self, names: Iterable[str]) -> Registry:
        """Some of the activities, to be offered by a worker."""
        registry = Registry()

        def work(label: str, n: int, fails: int, ctx: Context) -> int:
            self._add(label, ctx)
            if ctx.attempt <= fails:
                raise ActivityError(f"attempt {ctx.attempt} fails", type="Flaky")
            return n * 2 + 1

        def broken(label: str, ctx: Context) -> None:
            self._add(label, ctx)
            raise ActivityError("always", type="Broken", retryable=False)

        functions: dict[str, Callable[..., Any]] = {"Work": work, "Break": broken}
        for name in names:
            registry.add(name, functions[name])
        registry.add_entity(Count)
        return registry

    def _add(self, label: str, ctx: Context) -> None:
        self.executions[ctx.idempotency_key] += 1
        # What a child does is done for the instance that it is a part of.
        self.keys[ctx.instance_id.partition(":")[0], label].add(ctx.idempotency_key)
