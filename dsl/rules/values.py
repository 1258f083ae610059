"""PD220: the value of a block is read only when it has one (rule 4 of the scope rules)."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr.names import names_of
from perdure.dsl.rules.flow import valueless
from perdure.dsl.rules.places import Kind, Symbol, places
from perdure.dsl.source import Span


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes every reading of a step whose block gives no value."""
    for place in places(workflow):
        for use in names_of(place.value):
            if diagnostics.full:
                return
            symbol = place.scope.get(use.name)
            block = _without_value(symbol) if symbol else None
            if block is None:
                continue
            span = Span.at(use.position.line, use.position.column, use.length)
            first = block.steps[0].span.start
            related = [Related(span=Span.at(first.line, first.column), message="this block gives no value")]
            hint = "end the block with '- output: value', or name exactly one step in it"
            diagnostics.add("PD220", f"{quote(use.name)} has no value", span, hint=hint, related=related)


def _without_value(symbol: Symbol) -> model.Block | None:
    step = symbol.step
    if step is None or (symbol.kind is Kind.STEP and step.output is not None):
        return None
    readable = symbol.kind is Kind.STEP or symbol.name == "result"
    return valueless(step) if readable else None
