"""How deep JSON is nested, without recursion: what is too deep must not take the stack with it."""

from __future__ import annotations

from typing import Any


def depth(value: Any, most: int) -> int:
    """Levels of nesting, counted no further than one past ``most``."""
    level, found = [value], 0
    while level and found <= most:
        found += 1
        level = [
            inner
            for part in level
            if isinstance(part, dict | list)
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
    return found
