"""PD302, PD221: selected fields exist, where what is selected from is known without types."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr.names import Use, names_of
from perdure.dsl.expr.suggest import did_you_mean
from perdure.dsl.rules.places import COUNTERS, Kind, Symbol, kept, places
from perdure.dsl.source import Span

WORKFLOW_FIELDS = (
    "instance_id",
    "name",
    "version",
    "digest",
    "generation",
    "parent_id",
    "started_at",
    "tags",
)
ERROR_FIELDS = ("type", "message", "data", "step", "path", "attempt", "cause", "compensation")
FAN_OUT_FIELDS = ("results", "errors", *COUNTERS)


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes fields of variables, of the engine's names and of composed values that do not exist."""
    variables = tuple(variable.name for variable in workflow.variables)
    for place in places(workflow):
        for use in names_of(place.value):
            symbol = place.scope.get(use.name)
            if symbol is not None and use.fields:
                _fields(use, symbol, variables, diagnostics)


def _fields(use: Use, symbol: Symbol, variables: tuple[str, ...], diagnostics: Collector) -> None:
    known = _known(symbol, variables)
    field = use.fields[0]
    if known is not None and field not in known:
        _unknown(use, known, diagnostics)
        return
    step = _composed(symbol)
    if isinstance(step, model.FanOut) and not kept(step, field) and field in ("results", "errors"):
        message = f"{quote(f'{use.name}.{field}')} is not kept: the fan_out says 'keep: {step.keep}'"
        diagnostics.add("PD221", message, _span(use, field))


def _known(symbol: Symbol, variables: tuple[str, ...]) -> tuple[str, ...] | None:
    """The fields of what a name stands for, or None when they are not known."""
    if symbol.kind is Kind.ROOT and symbol.step is None:
        return {"vars": variables, "workflow": WORKFLOW_FIELDS, "error": ERROR_FIELDS}.get(symbol.name)
    match _composed(symbol):
        case model.FanOut():
            return FAN_OUT_FIELDS
        case model.Race():
            return ("winner", "value")
        case model.Parallel(branches=branches):
            return tuple(branch.name for branch in branches)
        case _:
            return None


def _composed(symbol: Symbol) -> model.Step | None:
    """The step whose own value a name stands for: its ``output`` would be another value."""
    step = symbol.step
    if step is None or (symbol.kind is Kind.STEP and step.output is not None):
        return None
    return step


def _unknown(use: Use, known: tuple[str, ...], diagnostics: Collector) -> None:
    field = use.fields[0]
    near = did_you_mean(field, known)
    if use.name == "vars":
        message = f"there is no variable {quote(field)}"
        hint = f"declared are: {', '.join(known)}" if known else "declare it under 'vars' of the header"
    else:
        message, hint = f"{quote(use.name)} has no field {quote(field)}", f"it has: {', '.join(known)}"
    message += f"; did you mean {quote(near)}?" if near else ""
    diagnostics.add("PD302", message, _span(use, field), hint=hint)


def _span(use: Use, field: str) -> Span:
    return Span.at(use.position.line, use.position.column, use.length + 1 + len(field))
