"""PD218: ``set`` writes variables that are declared."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.rules.places import all_steps
from perdure.dsl.suggest import suggest


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes every ``set`` of a name that is not under ``vars``."""
    declared = {variable.name for variable in workflow.variables}
    for step in all_steps(workflow.body):
        if diagnostics.full:
            return
        if not isinstance(step, model.Set):
            continue
        for (name, _), span in zip(step.values, step.name_spans, strict=True):
            if name not in declared:
                near = suggest(name, declared)
                hint = f"did you mean {quote(near)}?" if near else f"declare it: 'vars: {{{name}: …}}'"
                diagnostics.add("PD218", f"there is no variable {quote(name)}", span, hint=hint)
