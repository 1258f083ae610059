"""PD802, PD808: waits are for events that are declared, and each knows which events are its own."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.rules.places import all_steps, steps_of
from perdure.dsl.suggest import suggest


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Warns of waits for undeclared events, and of waits side by side for the same."""
    _declared(workflow, diagnostics)
    for step in steps_of(workflow):
        if isinstance(step, model.Parallel | model.Race):
            _branches(step.branches, diagnostics)
        elif isinstance(step, model.FanOut) and step.width != 1:
            _items(step, diagnostics)


def _declared(workflow: model.Workflow, diagnostics: Collector) -> None:
    """A wait for an event that is not declared beside others that are."""
    declared = {event.name for event in workflow.events}
    if not declared:
        return
    for step in steps_of(workflow):
        if diagnostics.full:
            break
        if isinstance(step, model.WaitForEvent) and step.event not in declared:
            near = suggest(step.event, declared)
            hint = f"did you mean {quote(near)}?" if near else "declare it under 'events' to have it checked"
            message = f"the event {quote(step.event)} is not declared"
            diagnostics.add("PD802", message, step.event_span or step.span, hint=hint)


def _branches(branches: tuple[model.Branch, ...], diagnostics: Collector) -> None:
    first: dict[str, tuple[model.Branch, model.WaitForEvent]] = {}
    for branch in branches:
        for wait in _waits(branch.body):
            other, there = first.setdefault(wait.event, (branch, wait))
            if other is not branch:
                related = [
                    Related(span=there.event_span or there.span, message=f"and in {quote(other.name)}")
                ]
                message = f"two branches wait for {quote(wait.event)}: which one gets it is a matter of order"
                _note(message, wait, related, diagnostics)


def _items(step: model.FanOut, diagnostics: Collector) -> None:
    for wait in _waits(step.body):
        message = f"all items wait for {quote(wait.event)}: which one gets it is a matter of order"
        _note(message, wait, [], diagnostics)


def _waits(block: model.Block) -> Iterator[model.WaitForEvent]:
    """The waits that take any event of their name."""
    for step in all_steps(block):
        if isinstance(step, model.WaitForEvent) and step.correlate is None:
            yield step


def _note(message: str, wait: model.WaitForEvent, related: list[Related], diagnostics: Collector) -> None:
    hint = "say with 'correlate' which events are meant, or give them different names"
    diagnostics.add("PD808", message, wait.event_span or wait.span, hint=hint, related=related)
