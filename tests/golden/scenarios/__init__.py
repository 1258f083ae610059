"""What golden histories are recorded from, by theme."""

from __future__ import annotations

from tests.golden.scenarios import calls, control, entities, generations, groups, messages, undoing
from tests.golden.scenarios.scenario import SCENARIOS, offer

__all__ = [
    "SCENARIOS",
    "calls",
    "control",
    "entities",
    "generations",
    "groups",
    "messages",
    "offer",
    "undoing",
]
