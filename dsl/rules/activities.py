"""PD701: activities exist. Not part of ``check``: only some who load a document know the activities."""

from __future__ import annotations

from collections.abc import Collection

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Diagnostic, quote
from perdure.dsl.rules.places import all_steps
from perdure.dsl.suggest import suggest


def check_activities(workflow: model.Workflow, known: Collection[str]) -> tuple[Diagnostic, ...]:
    """A diagnostic for every call of an activity that is not among the known names."""
    diagnostics = Collector(workflow.file)
    for step in all_steps(workflow.body):
        if diagnostics.full:
            break
        if isinstance(step, model.Call) and step.activity not in known:
            near = suggest(step.activity, known)
            hint = f"did you mean {quote(near)}?" if near else None
            message = f"no activity is registered as {quote(step.activity)}"
            diagnostics.add("PD701", message, step.activity_span, hint=hint)
    return diagnostics.diagnostics()
