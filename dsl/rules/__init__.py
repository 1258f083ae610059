"""Checks of a decoded workflow, one rule a module: ``check`` runs all of them."""

from __future__ import annotations

from perdure.dsl.cases import Cases
from perdure.dsl.diagnostics import Collector
from perdure.dsl.model import Entity, Workflow
from perdure.dsl.rules import (
    bounds,
    checkpoints,
    compensations,
    conditions,
    correlation,
    entities,
    errors,
    events,
    expressions,
    fan_outs,
    fields,
    locks,
    names,
    placement,
    reachability,
    retries,
    schedules,
    shadowing,
    unused,
    values,
    variables,
    versions,
)

WORKFLOW_RULES = (
    names.check,
    fields.check,
    values.check,
    shadowing.check,
    placement.check,
    checkpoints.check,
    correlation.check,
    reachability.check,
    variables.check,
    expressions.check,
    events.check,
    errors.check,
    fan_outs.check,
    compensations.check,
    locks.check,
    versions.check,
    schedules.check,
)

REMARKS = (
    bounds.check,
    retries.check,
    conditions.check,
    unused.check,
)
"""What counts when nothing else is wrong: a mistake makes much look unused, and bounds look like 0."""


ENTITY_RULES = (
    names.check,
    fields.check,
    shadowing.check_entity,
    expressions.check,
    entities.check,
)


def check(document: Workflow | Entity | Cases, diagnostics: Collector) -> None:
    """Notes everything that the scope rules and the other checks of meaning refuse."""
    match document:
        case Workflow():
            for rule in WORKFLOW_RULES:
                rule(document, diagnostics)
            for remark in REMARKS if not diagnostics.errors else ():
                remark(document, diagnostics)
        case Entity():
            for each in ENTITY_RULES:
                each(document, diagnostics)
        case Cases():
            pass
