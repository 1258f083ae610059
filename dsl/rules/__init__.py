"""Checks of a decoded workflow, one rule a module: ``check`` runs all of them."""

from __future__ import annotations

from perdure.dsl.diagnostics import Collector
from perdure.dsl.model import Workflow
from perdure.dsl.rules import (
    events,
    expressions,
    fields,
    names,
    placement,
    reachability,
    shadowing,
    values,
    variables,
)

RULES = (
    names.check,
    fields.check,
    values.check,
    shadowing.check,
    placement.check,
    reachability.check,
    variables.check,
    expressions.check,
    events.check,
)


def check(workflow: Workflow, diagnostics: Collector) -> None:
    """Notes everything that the scope rules and the other checks of meaning refuse."""
    for rule in RULES:
        rule(workflow, diagnostics)
