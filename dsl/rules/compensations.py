"""PD225: what undoes a step stands in a saga, and a saga has something to undo."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.rules.places import all_steps, blocks


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes ``compensate`` outside of every saga, and sagas in which nothing has it."""
    _block(workflow.body, diagnostics)


def _block(block: model.Block, diagnostics: Collector) -> None:
    for step in block.steps:
        if isinstance(step, model.Saga):
            _saga(step, diagnostics)
            continue
        if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate:
            message = f"nothing ever undoes {quote(step.name or '')}: it stands in no saga"
            hint = "put the steps that belong together into a 'saga'"
            diagnostics.add("PD225", message, step.compensate.span, hint=hint)
        for inner in blocks(step):
            _block(inner, diagnostics)


def _saga(saga: model.Saga, diagnostics: Collector) -> None:
    steps = all_steps(saga.body)
    calls = (step for step in steps if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity))
    if all(step.compensate is None for step in calls):
        message = f"the saga {quote(saga.name or '')} undoes nothing: no step in it has 'compensate'"
        span = saga.name_span or saga.span
        diagnostics.add("PD809", message, span, hint="give its steps 'compensate', or write 'do'")
