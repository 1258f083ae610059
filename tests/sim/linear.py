"""Whether operations could have taken effect one at a time, in an order that agrees with real time (C6).

The search of Wing and Gong: whoever had not begun when another had ended comes behind it. An operation of
which nobody knows the end may have taken effect at any time since it began, or never.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Operation:
    """What somebody did between two moments; without an ``end`` nobody knows the ``result``."""

    name: str
    given: Any
    begin: int
    end: int | None
    result: Any = None


Model = Callable[[Any, Operation], tuple[Any, Any]]
"""From a state and an operation to the next state and the result."""


def linearizable(operations: Sequence[Operation], state: Any, model: Model) -> bool:
    """Whether there is such an order, from a state that can be hashed."""
    seen: set[tuple[int, Any]] = set()
    left = [((1 << len(operations)) - 1, state)]
    while left:
        here = left.pop()
        if here in seen:
            continue
        seen.add(here)
        rest, state = here
        ends = [
            each.end for place, each in enumerate(operations) if rest >> place & 1 and each.end is not None
        ]
        if not ends:
            return True
        for place, each in enumerate(operations):
            if rest >> place & 1 and each.begin < min(ends):
                after, result = model(state, each)
                if each.end is None or result == each.result:
                    left.append((rest & ~(1 << place), after))
    return False
