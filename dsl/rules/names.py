"""PD301: a name is read only where it is surely assigned (rule 1 of the scope rules)."""

from __future__ import annotations

from types import MappingProxyType

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr import foreign
from perdure.dsl.expr.functions import NAMESPACES, RESERVED
from perdure.dsl.expr.names import Use, names_of
from perdure.dsl.rules.places import Kind, Place, Role, places, steps_of
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest

WHERE = MappingProxyType(
    {
        "args": "in 'functions'",
        "error": "in 'catch' and in 'when' of a retry or catch",
        "event": "in 'correlate' and 'until' of a wait_for_event",
        "index": "in loops and fan_out",
        "input": "in workflows, and in the operations of entities that declare an 'input'",
        "item": "in for_each and fan_out, unless 'each' names the item",
        "key": "in the operations of entities",
        "result": "in 'output' of a step and in 'on_timeout' of a wait with 'count' or 'until'",
        "schedule": "in 'input' of a schedule",
        "state": "in the operations of entities",
        "step": "in 'compensate'",
        "vars": "in the steps and queries of workflows",
        "workflow": "in workflows",
    }
)
"""Where the names are defined that only some places have."""


def check(document: model.Workflow | model.Entity, diagnostics: Collector) -> None:
    """Notes every name that is not defined where it is read."""
    defined: dict[str, model.Step] = {}
    variables: set[str] = set()
    if isinstance(document, model.Workflow):
        variables = {variable.name for variable in document.variables}
        for step in steps_of(document):
            if step.name is not None:
                defined.setdefault(step.name, step)
    for place in places(document):
        for use in names_of(place.value):
            if diagnostics.full:
                return
            symbol = place.scope.get(use.name)
            if symbol is None and use.name not in NAMESPACES | RESERVED:
                _unknown(use, place, defined, variables, diagnostics)
            elif symbol and symbol.kind is Kind.NOT_KEPT:
                message = f"{quote(use.name)} is not kept by this fan_out"
                diagnostics.add("PD221", message, _span(use), hint=_KEEP)
            elif symbol and symbol.kind is Kind.ATTEMPTED:
                message = f"{quote(use.name)} may have no value here: the step was only attempted"
                hint = "with 'on: attempted', find what was done by step.idempotency_key"
                diagnostics.add("PD301", message, _span(use), hint=hint)
            elif symbol and symbol.kind is Kind.CUT_OFF:
                hint = "'continue' may end the iteration before it"
                diagnostics.add(
                    "PD301", f"{quote(use.name)} is not surely defined here", _span(use), hint=hint
                )


_KEEP = "choose with 'keep' what is kept: results (errors too), errors, or counts alone"


def _span(use: Use) -> Span:
    return Span.at(use.position.line, use.position.column, use.length)


def _unknown(
    use: Use, place: Place, defined: dict[str, model.Step], variables: set[str], diagnostics: Collector
) -> None:
    name, span = use.name, _span(use)
    if place.role is Role.RESULT:
        hint = "the worker that ran the activity evaluates 'output'; combine names in a later 'value' step"
        diagnostics.add("PD301", f"{quote(name)} is not visible in 'output' of a call", span, hint=hint)
    elif isinstance(place.step, model.Loop) and name == place.step.at and place.value is place.step.condition:
        hint = f"{quote(name)} counts inside the loop; 'while' is tested before it: use 'vars', or 'until'"
        diagnostics.add("PD301", f"{quote(name)} is not defined here", span, hint=hint)
    elif place.step is None:
        known = ", ".join(sorted(place.scope.names()))
        message = f"{quote(name)} is not defined here{_guess(name, place)}"
        diagnostics.add("PD301", message, span, hint=f"to be read here: {known}")
    elif name in defined and place.scope.get("args"):
        hint = (
            f"pass it where the function is called, 'with: {{{name}: ${{ {name} }}}}', and read args.{name}"
        )
        diagnostics.add("PD301", f"{quote(name)} is not visible in a function", span, hint=hint)
    elif name in defined:
        _invisible(name, span, defined[name], diagnostics)
    elif name in WHERE:
        diagnostics.add(
            "PD301", f"{quote(name)} is not defined here", span, hint=f"it is defined {WHERE[name]}"
        )
    elif name in variables:
        diagnostics.add("PD301", f"{quote(name)} is not defined here", span, hint=f"write vars.{name}")
    else:
        habit = foreign.NAMES.get(name)
        if use.length > len(name):  # a dot before it, as jq reads its input
            habit = f"write input.{name}"
        guess = "" if habit else _guess(name, place)
        diagnostics.add("PD301", f"{quote(name)} is not defined here{guess}", span, hint=habit)


def _guess(name: str, place: Place) -> str:
    near = suggest(name, place.scope.names())
    symbol = place.scope.get(near) if near else None
    if near is None or symbol is None:
        return ""
    line = f" (line {symbol.step.span.start.line})" if symbol.kind is Kind.STEP and symbol.step else ""
    return f"; did you mean {quote(near)}{line}?"


def _invisible(name: str, span: Span, step: model.Step, diagnostics: Collector) -> None:
    """The name of a step that is not visible where it is read."""
    start, end = step.span
    if start <= span.start < end:
        where, hint = "defined here", "a step's value is known after the step"
    elif span.start < start:
        where = "defined here, later"
        hint = f"it stands further down, in line {start.line}; a step reads what stands above it"
    else:
        where, hint = "defined here, in another block", "a block passes on its value only, see 'output'"
    related = [Related(span=step.name_span or step.span, message=where)]
    diagnostics.add("PD301", f"{quote(name)} is not visible here", span, hint=hint, related=related)
