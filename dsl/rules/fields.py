"""PD302, PD221: selected fields exist, where what is selected from is known without types."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr.names import Use, names_of
from perdure.dsl.rules.places import COUNTERS, Kind, Symbol, kept, places
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest

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
ERROR_FIELDS = ("type", "message", "data", "step", "path", "attempt", "cause", "compensation", "activity")
_LISTED = 20
"""Most names that a hint lists."""
FAN_OUT_FIELDS = ("results", "errors", *COUNTERS)


def check(document: model.Workflow | model.Entity, diagnostics: Collector) -> None:
    """Notes fields of variables, of the engine's names and of composed values that do not exist."""
    known = _Known(document)
    for place in places(document):
        for use in names_of(place.value):
            if diagnostics.full:
                return
            symbol = place.scope.get(use.name)
            if symbol is not None and use.fields:
                _fields(use, symbol, known.of(symbol), diagnostics)


def _fields(use: Use, symbol: Symbol, known: dict[str, None] | None, diagnostics: Collector) -> None:
    field = use.fields[0]
    if known is not None and field not in known:
        _unknown(use, known, diagnostics)
        return
    step = _composed(symbol)
    if isinstance(step, model.FanOut) and not kept(step, field) and field in ("results", "errors"):
        message = f"{quote(f'{use.name}.{field}')} is not kept: the fan_out says 'keep: {step.keep}'"
        diagnostics.add("PD221", message, _span(use, field))


class _Known:
    """The fields of what names stand for, each made once."""

    def __init__(self, document: model.Workflow | model.Entity) -> None:
        declared = document.variables if isinstance(document, model.Workflow) else ()
        variables = (variable.name for variable in declared)
        self._roots = {
            "vars": dict.fromkeys(variables),
            "workflow": dict.fromkeys(WORKFLOW_FIELDS),
            "error": dict.fromkeys(ERROR_FIELDS),
        }
        self._branches: dict[str, dict[str, None]] = {}

    def of(self, symbol: Symbol) -> dict[str, None] | None:
        """The fields in order, or None when they are not known."""
        if symbol.kind is Kind.ROOT and symbol.name != "result":
            return self._roots.get(symbol.name)
        match _composed(symbol):
            case model.FanOut():
                return dict.fromkeys(FAN_OUT_FIELDS)
            case model.Race():
                return dict.fromkeys(("winner", "value"))
            case model.Parallel(path=path, branches=branches):
                if path not in self._branches:
                    self._branches[path] = dict.fromkeys(branch.name for branch in branches)
                return self._branches[path]
            case _:
                return None


def _composed(symbol: Symbol) -> model.Step | None:
    """The step whose own value a name stands for: its ``output`` would be another value."""
    step = symbol.step
    if step is None or (symbol.kind is Kind.STEP and step.output is not None):
        return None
    if symbol.kind is Kind.ROOT and symbol.name != "result":
        return None
    return step


def _unknown(use: Use, known: dict[str, None], diagnostics: Collector) -> None:
    field = use.fields[0]
    near = suggest(field, known)
    if use.name == "vars":
        message = f"there is no variable {quote(field)}"
        hint = f"declared are: {_listed(known)}" if known else "declare it under 'vars' of the header"
    else:
        message, hint = f"{quote(use.name)} has no field {quote(field)}", f"it has: {_listed(known)}"
    message += f"; did you mean {quote(near)}?" if near else ""
    diagnostics.add("PD302", message, _span(use, field), hint=hint)


def _listed(known: dict[str, None]) -> str:
    first = list(known)[:_LISTED]
    return ", ".join([*first, *(["…"] if len(known) > len(first) else [])])


def _span(use: Use, field: str) -> Span:
    return Span.at(use.position.line, use.position.column, use.length + 1 + len(field))
