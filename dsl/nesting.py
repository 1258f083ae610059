"""What is in JSON, and how deep it is nested: without recursion, which deep values would break."""

from __future__ import annotations

from collections.abc import Iterator
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


def parts(value: Any) -> Iterator[Any]:
    """The value and everything inside, in no order."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """The mappings among ``parts``."""
    return (part for part in parts(value) if isinstance(part, dict))
