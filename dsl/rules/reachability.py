"""PD216, PD217, PD223: every step can be reached, and block values are where they count."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related
from perdure.dsl.rules.flow import completes, passes
from perdure.dsl.rules.places import blocks


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes steps after the end of their block, ``output`` without effect, and a missing ``return``."""
    _block(workflow.body, "the workflow's own block", diagnostics)
    if workflow.output_schema is not None and completes(workflow.body):
        last = workflow.body.steps[-1] if workflow.body.steps else None
        message = "the workflow can end without 'return', but its output has a schema"
        hint = "a workflow that falls off its end returns null; add '- return: value'"
        diagnostics.add("PD223", message, last.span if last else workflow.name_span, hint=hint)


def _block(block: model.Block, without_value: str | None, diagnostics: Collector) -> None:
    """Checks a block; ``without_value`` names it when its value goes nowhere."""
    _reachable(block, diagnostics)
    for index, step in enumerate(block.steps):
        if isinstance(step, model.Output):
            if index < len(block.steps) - 1:
                message = "'output' must be the last item of its block"
                diagnostics.add("PD217", message, step.span)
            elif without_value is not None:
                hint = "write 'return' to end the workflow, or a 'switch' to choose between values"
                message = f"'output' has no effect here: {without_value} has no value"
                diagnostics.add("PD217", message, step.span, hint=hint)
        if isinstance(step, model.Try):
            _clauses(step, diagnostics)
        for inner in blocks(step):
            _block(inner, _without_value(step, inner), diagnostics)


def _without_value(step: model.Step, inner: model.Block) -> str | None:
    if isinstance(step, model.If):
        return "the statement 'if'"
    if isinstance(step, model.Try) and inner is step.finally_:
        return "'finally'"
    return None


def _reachable(block: model.Block, diagnostics: Collector) -> None:
    for step, following in pairwise(block.steps):
        if not passes(step):
            related = [Related(span=step.span, message="the block ends here")]
            diagnostics.add("PD216", "this step is never reached", following.span, related=related)
            return


def _clauses(step: model.Try, diagnostics: Collector) -> None:
    """Clauses whose every error an earlier one has taken, whatever else is true."""
    taken: dict[str, model.Catch] = {}
    for clause in step.catches:
        takers = [taken.get(name) or _all(name, taken) for name in clause.errors]
        first = takers[0] if takers else None
        if first is not None and all(takers):
            related = [Related(span=(*first.error_spans, first.span)[0], message="taken here")]
            message = "this clause never matches: an earlier one takes its errors"
            span = clause.error_spans[0] if clause.error_spans else clause.span
            hint = "clauses are tried in order; put the one for all errors last"
            diagnostics.add("PD216", message, span, hint=hint, related=related)
        elif clause.when is None:
            for name in clause.errors:
                taken.setdefault(name, clause)


def _all(name: str, taken: Mapping[str, model.Catch]) -> model.Catch | None:
    """The clause for all errors; a cancellation is not among these."""
    return None if name == "perdure.Canceled" else taken.get("*")
