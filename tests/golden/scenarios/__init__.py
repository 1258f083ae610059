"""What golden histories are recorded from, by theme."""

from __future__ import annotations

from tests.golden.scenarios import (
    calls,
    control,
    entities,
    families,
    generations,
    groups,
    messages,
    operators,
    undoing,
)
from tests.golden.scenarios.scenario import SCENARIOS, offer

__all__ = [
    "SCENARIOS",
    "calls",
    "control",
    "entities",
    "families",
    "generations",
    "groups",
    "messages",
    "offer",
    "operators",
    "undoing",
]
