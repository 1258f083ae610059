"""PD226, PD807: names of errors, of which only the engine's own and the declared ones are known."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.rules.places import steps_of
from perdure.dsl.rules.retries import policies
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest

OWN = "perdure."
BUILT_IN = tuple(
    OWN + name
    for name in (
        "Timeout Canceled Exists Expression Schema ToleranceExceeded LimitExceeded EntityOperationFailed "
        "SubWorkflowFailed CompensationFailed Payload Poison"
    ).split()
)
"""The errors that the engine raises."""


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes errors in the engine's name that it does not have, and names that look misspelt.

    Any other name may be that of an exception of an activity.
    """
    declared = {error.name for error in workflow.errors}
    raised = dict(_raised(workflow))
    mentioned = dict.fromkeys([*_raised(workflow), *_handled(workflow)])
    names = {name for name, _ in mentioned}
    for name, span in mentioned:
        if diagnostics.full:
            return
        if name.startswith(OWN):
            check_name(name, span, diagnostics)
        elif name not in declared and name != "*":
            known = declared if name in raised else declared | set(raised)
            _foreign(name, span, known, names, diagnostics)


def _raised(workflow: model.Workflow) -> Iterator[tuple[str, Span]]:
    for step in steps_of(workflow):
        if isinstance(step, model.Raise) and isinstance(step.error, str):
            yield step.error, step.error_span or step.span


def _handled(workflow: model.Workflow) -> Iterator[tuple[str, Span]]:
    for step in steps_of(workflow):
        if isinstance(step, model.Try):
            for clause in step.catches:
                yield from zip(clause.errors, clause.error_spans, strict=False)
    for retry in policies(workflow):
        yield from zip(retry.on, retry.on_spans, strict=False)
        yield from zip(retry.except_, retry.except_spans, strict=False)


def check_name(name: str, span: Span, diagnostics: Collector) -> None:
    """Notes a name in the engine's name space that the engine does not have."""
    if not name.startswith(OWN) or name in BUILT_IN:
        return
    near = suggest(name, BUILT_IN)
    hint = f"did you mean {quote(near)}?" if near else f"it has: {', '.join(BUILT_IN)}"
    if name == "perdure.ActivityError":
        hint = "an activity's error has the type that it was raised with, or the name of its class"
    diagnostics.add("PD226", f"perdure has no error {quote(name)}", span, hint=hint)


def _foreign(name: str, span: Span, known: set[str], names: set[str], diagnostics: Collector) -> None:
    own = OWN + name
    if own in BUILT_IN and own not in names:
        message = f"{quote(name)} is another error than {quote(own)}"
        hint = f"write {quote(own)} for the engine's own"
        diagnostics.add("PD807", message, span, hint=hint)
    elif (near := suggest(name, known)) and _letters(near) != _letters(name):
        message = f"no error {quote(name)} is declared or raised here"
        diagnostics.add("PD807", message, span, hint=f"did you mean {quote(near)}?")


def _letters(name: str) -> str:
    """A name without digits: ``Http404`` and ``Http403`` are two errors, not one misspelt."""
    return "".join(each for each in name if not each.isdigit())
