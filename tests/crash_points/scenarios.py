"""All scenarios, by name."""

from __future__ import annotations

from tests.crash_points import (
    scenarios_entities,
    scenarios_family,
    scenarios_operators,
    scenarios_outside,
    scenarios_steps,
)

ALL = (
    *scenarios_steps.SCENARIOS,
    *scenarios_family.SCENARIOS,
    *scenarios_entities.SCENARIOS,
    *scenarios_operators.SCENARIOS,
    *scenarios_outside.SCENARIOS,
)
SCENARIOS = {each.name: each for each in ALL}
