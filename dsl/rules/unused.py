"""PD806: what the header declares and nothing uses."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr.names import names_of
from perdure.dsl.rules.places import places, steps_of
from perdure.dsl.source import Span


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Warns of variables that nobody reads, and of functions, policies and events that nobody uses.

    Errors are no such thing: activities raise them without the workflow saying so.
    """
    if not (workflow.variables or workflow.functions or workflow.retries or workflow.events):
        return
    _variables(workflow, diagnostics)
    used = _Used(workflow)
    for function in workflow.functions:
        if function.name not in used.functions:
            _note(f"nothing calls the function {quote(function.name)}", function.span, diagnostics)
    for retry in workflow.retries:
        if retry.policy is not None and retry.policy not in used.policies:
            _note(f"no step uses the retry policy {quote(retry.policy)}", retry.span, diagnostics)
    # A wait for an event that is not declared is reported, and may be a misspelt declared one.
    misspelt = used.events - {event.name for event in workflow.events}
    for event in workflow.events:
        if event.name not in used.events and not misspelt:
            _note(f"nothing waits for the event {quote(event.name)}", event.span, diagnostics)


class _Used:
    """The names that the steps of a workflow use."""

    def __init__(self, workflow: model.Workflow) -> None:
        self.functions: set[str] = set()
        self.policies: set[str | None] = set()
        self.events: set[str] = set()
        for step in steps_of(workflow):
            if isinstance(step, model.Use):
                self.functions.add(step.function)
            elif isinstance(step, model.WaitForEvent):
                self.events.add(step.event)
            if isinstance(step, model.Bounded | model.Saga) and step.retry:
                self.policies.add(step.retry.policy)
            if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity):
                undo = step.compensate
                self.policies.add(undo.retry.policy if undo and undo.retry else None)


def _note(message: str, span: Span, diagnostics: Collector) -> None:
    diagnostics.add("PD806", message, span, hint="use it, or take it out")


def _variables(workflow: model.Workflow, diagnostics: Collector) -> None:
    unread = {variable.name: variable for variable in workflow.variables}
    for place in places(workflow):
        for use in names_of(place.value) if unread else ():
            if use.name != "vars":
                continue
            if not use.fields:
                return
            unread.pop(use.fields[0], None)
    writes: dict[str, Span] = {}
    for step in steps_of(workflow):
        if isinstance(step, model.Set):
            for (name, _), span in zip(step.values, step.name_spans, strict=True):
                writes.setdefault(name, span)
    for name, variable in unread.items():
        related = [Related(span=writes[name], message="set here")] if name in writes else []
        message = f"nothing reads the variable {quote(name)}"
        hint = "read it as ${ vars." + name + " }, or take it out"
        diagnostics.add("PD806", message, variable.span, hint=hint, related=related)
