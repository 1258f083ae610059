"""PD802: a workflow that declares its events waits for declared ones."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.rules.places import all_steps
from perdure.dsl.suggest import suggest


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Warns of a wait for an event that is not declared beside others that are."""
    declared = {event.name for event in workflow.events}
    if not declared:
        return
    for step in all_steps(workflow.body):
        if diagnostics.full:
            break
        if isinstance(step, model.WaitForEvent) and step.event not in declared:
            near = suggest(step.event, declared)
            hint = f"did you mean {quote(near)}?" if near else "declare it under 'events' to have it checked"
            message = f"the event {quote(step.event)} is not declared"
            diagnostics.add("PD802", message, step.event_span or step.span, hint=hint)
