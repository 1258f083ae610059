"""PD805: retries that never happen, because of what their policy itself says."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.duration import format_duration
from perdure.dsl.retries import DEFAULT_BACKOFF, DEFAULT_DELAY
from perdure.dsl.rules.places import steps_of
from perdure.dsl.rules.truth import span_of, truth
from perdure.dsl.source import Span


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Warns of policies that contradict themselves, the declared errors, or the step's deadline."""
    declared = {error.name: error for error in workflow.errors}
    for retry in policies(workflow):
        if diagnostics.full:
            return
        _attempts(retry, diagnostics)
        _names(retry, declared, diagnostics)
    for step in steps_of(workflow):
        if isinstance(step, model.Bounded):
            _deadline(step, diagnostics)


def policies(workflow: model.Workflow) -> Iterator[model.Retry]:
    """Every retry policy: those of the header, and those that steps write themselves."""
    yield from workflow.retries
    for step in steps_of(workflow):
        found = [step.retry] if isinstance(step, model.Bounded | model.Saga) else []
        if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate:
            found.append(step.compensate.retry)
        yield from (retry for retry in found if retry is not None and retry.policy is None)


def _attempts(retry: model.Retry, diagnostics: Collector) -> None:
    if retry.attempts == 1 and _says_more(retry):
        message = "with 'attempts: 1' nothing is repeated: the first try is counted too"
        diagnostics.add("PD805", message, retry.span, hint="write 'attempts: 2' for one repetition")
    if retry.when is not None and truth(retry.when) is False:
        diagnostics.add("PD805", "'when' never holds: nothing is repeated", span_of(retry.when) or retry.span)


def _says_more(retry: model.Retry) -> bool:
    """Whether a policy describes repetitions; 'attempts: 1' alone is how a default is switched off."""
    waits = retry.delay != DEFAULT_DELAY or retry.backoff != DEFAULT_BACKOFF or retry.jitter != "none"
    return waits or retry.on != ("*",) or retry.except_ != () or retry.when is not None


def _names(retry: model.Retry, declared: dict[str, model.ErrorDeclaration], diagnostics: Collector) -> None:
    excepted = dict(zip(retry.except_, retry.except_spans, strict=False))
    for name, span in zip(retry.on, retry.on_spans, strict=False):
        error = declared.get(name)
        if name in excepted:
            related = [Related(span=excepted[name], message="and here")]
            message = f"{quote(name)} stands in 'on' and in 'except', and is not repeated"
            diagnostics.add("PD805", message, span, related=related, hint="take one of the two out")
        elif error is not None and not error.retryable:
            related = [Related(span=error.span, message="declared with 'retryable: false'")]
            message = f"{quote(name)} is never repeated, whatever 'on' says"
            diagnostics.add("PD805", message, span, related=related, hint="take it out of 'on'")
    if "*" not in retry.on:
        _without_effect(retry, excepted, diagnostics)


def _without_effect(retry: model.Retry, excepted: dict[str, Span], diagnostics: Collector) -> None:
    for name, span in excepted.items():
        if name not in retry.on:
            message = f"'except' has no effect for {quote(name)}: 'on' does not name it"
            diagnostics.add("PD809", message, span, hint="take it out, or write 'on: [\"*\"]'")


def _deadline(step: model.Bounded, diagnostics: Collector) -> None:
    retry = step.retry
    if retry is None or not isinstance(step.deadline, int) or not isinstance(retry.delay, int):
        return
    if retry.attempts != 1 and 0 < step.deadline <= retry.delay:
        message = (
            f"nothing is repeated: the delay of {format_duration(retry.delay)} "
            f"does not fit into the deadline of {format_duration(step.deadline)}"
        )
        diagnostics.add(
            "PD805", message, step.name_span or step.span, hint="shorten 'delay', or lengthen 'deadline'"
        )
