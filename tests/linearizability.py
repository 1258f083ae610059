"""Whether a history of concurrent operations on one thing could have happened one operation at a time.

The search of Wing and Gong, with the memory of Lowe: an operation may come next if it was asked before any of
those that are left was answered; a set of operations and the state they lead to are looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

State = TypeVar("State", bound=Hashable)

UNKNOWN: Any = object()
"""The answer of an operation that nobody has heard: it may have been done, then or later, or not at all."""
NEVER = float("inf")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What was asked and what was answered, with the moments of both: any numbers that grow with time."""

    name: str
    input: Any = None
    answer: Any = UNKNOWN
    asked: float
    answered: float = NEVER


Model = Callable[[State, str, Any], tuple[Any, State]]
"""From a state, an operation and its input to the answer and the state afterwards."""


def linearizable(history: Sequence[Operation], initial: State, model: Model[State]) -> bool:
    """Whether some order explains all answers, and agrees with real time."""
    known = sum(1 << place for place, each in enumerate(history) if each.answer is not UNKNOWN)
    ways = [(0, initial)]
    seen = set(ways)
    while ways:
        done, state = ways.pop()
        if done & known == known:
            return True
        left = [(1 << place, each) for place, each in enumerate(history) if not done >> place & 1]
        first = min(each.answered for _, each in left)
        for bit, each in left:
            if each.asked > first:
                continue
            answer, after = model(state, each.name, each.input)
            if each.answer is not UNKNOWN and each.answer != answer:
                continue
            way = done | bit, after
            if way not in seen:
                seen.add(way)
                ways.append(way)
    return False
