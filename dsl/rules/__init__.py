"""Checks of a decoded workflow, one rule a module: ``check`` runs all of them."""

from __future__ import annotations

from perdure.dsl.cases import Cases
from perdure.dsl.diagnostics import Collector
from perdure.dsl.model import Entity, Workflow
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

WORKFLOW_RULES = (
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


ENTITY_RULES = (
    names.check,
    fields.check,
    shadowing.check_entity,
    expressions.check,
)


def check(document: Workflow | Entity | Cases, diagnostics: Collector) -> None:
    """Notes everything that the scope rules and the other checks of meaning refuse."""
    match document:
        case Workflow():
            for rule in WORKFLOW_RULES:
                rule(document, diagnostics)
        case Entity():
            for each in ENTITY_RULES:
                each(document, diagnostics)
        case Cases():
            pass
