"""A queue in which a larger priority goes first and the keys of one priority take turns."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lineup(Generic[Item]):
    """Items that wait. Those with the same priority and key keep their order."""

    def __init__(self) -> None:
        self._levels: dict[int, dict[str, deque[Item]]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def add(self, item: Item, priority: int = 0, key: str = "") -> None:
        """Put an item behind those of its priority and key."""
        self._levels.setdefault(priority, {}).setdefault(key, deque()).append(item)
        self._count += 1

    def take(self) -> Item:
        """The next item. There must be one."""
        priority = max(self._levels)
        turns = self._levels[priority]
        key = next(iter(turns))
        items = turns[key]
        item = items.popleft()
        self._count -= 1
        if not items:
            del turns[key]
            if not turns:
                del self._levels[priority]
        elif len(turns) > 1:
            turns[key] = turns.pop(key)
        return item

    def clear(self) -> None:
        """Forget them all."""
        self._levels.clear()
        self._count = 0
