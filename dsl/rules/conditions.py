"""PD804: conditions that hold always or never, so that a part of the workflow is there in vain."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related
from perdure.dsl.expr.ast import Value
from perdure.dsl.rules.places import steps_of
from perdure.dsl.rules.truth import span_of, truth

_ALWAYS = "this condition always holds"
_NEVER = "this condition never holds"


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Warns of steps that never run and of conditions without effect.

    ``while: ${ true }`` and a last ``when: ${ true }`` are common ways to say 'for ever' and 'else'.
    """
    for step in steps_of(workflow):
        if diagnostics.full:
            return
        for condition, holds, hint in _constant(step):
            span = span_of(condition) or step.span
            diagnostics.add("PD804", _ALWAYS if holds else _NEVER, span, hint=hint, related=_where(step))


def _where(step: model.Step) -> list[Related]:
    return [Related(span=step.name_span, message="of this step")] if step.name_span else []


def _constant(step: model.Step) -> Iterator[tuple[Value, bool, str]]:
    """Constant conditions of a step with what they are and what follows."""
    if (holds := truth(step.guard)) is not None and step.guard is not None:
        yield step.guard, holds, "leave 'if' out" if holds else "the step never runs: take it out"
    match step:
        case model.If(condition=condition) if (holds := truth(condition)) is not None:
            part = "'else'" if holds else "'then'"
            yield condition, holds, f"{part} never runs: keep the other part alone"
        case model.Switch(cases=cases):
            for index, case in enumerate(cases):
                if truth(case.when) is False:
                    yield case.when, False, "the case is never taken: take it out"
                elif truth(case.when) and (step.otherwise or index < len(cases) - 1):
                    yield case.when, True, "the cases after it are never taken: take them out"
        case model.Try(catches=catches):
            for clause in catches:
                if clause.when is not None and (holds := truth(clause.when)) is not None:
                    hint = "leave 'when' out" if holds else "the clause never matches: take it out"
                    yield clause.when, holds, hint
        case model.Loop(kind="while", condition=condition) if truth(condition) is False:
            yield condition, False, "the loop never runs: take it out"
        case model.Loop(kind="until", condition=condition) if truth(condition):
            yield condition, True, "the loop runs once: write a 'do'"
        case _:
            pass
