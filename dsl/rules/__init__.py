"""Checks of a decoded workflow, one rule a module: ``check`` runs all of them."""

from __future__ import annotations

from perdure.dsl.diagnostics import Collector
from perdure.dsl.model import Workflow


def check(workflow: Workflow, diagnostics: Collector) -> None:
    """Notes everything that the scope rules and the other checks of meaning refuse."""
    for rule in RULES:
        rule(workflow, diagnostics)


RULES = ()
