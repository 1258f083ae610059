"""PD235: ``correlate`` says by which field an event finds the step that waits for it."""

from __future__ import annotations

from collections.abc import Iterator

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import names_of, text_map
from perdure.dsl.rules.places import steps_of
from perdure.dsl.source import Span


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes every ``correlate`` without an equality of something of the event with something known."""
    for step in steps_of(workflow):
        if diagnostics.full:
            return
        if not isinstance(step, model.WaitForEvent) or not isinstance(step.correlate, ast.Embedded):
            continue
        if equality(step.correlate) is None:
            message = "'correlate' has no equality by which the event can find this step"
            hint = "write 'event.order == order.id', and further conditions after '&&'"
            diagnostics.add("PD235", message, _span(step.correlate), hint=hint)


def equality(condition: ast.Embedded) -> tuple[ast.Embedded, ast.Embedded] | None:
    """The first of the conjuncts ``A == B`` in which one side reads ``event`` alone, and the other not.

    The result is the side of the event and the other one. It becomes the subscription.
    """
    for node in _conjuncts(condition.expr):
        match node:
            case ast.Chain(first=left, rest=(ast.Operation(operator="==", operand=right),)):
                sides = ast.Embedded(left, condition.marks), ast.Embedded(right, condition.marks)
                for event, known in (sides, sides[::-1]):
                    if _roots(event) == {"event"} and "event" not in _roots(known):
                        return event, known
            case _:
                pass
    return None


def _conjuncts(node: ast.Node) -> Iterator[ast.Node]:
    if isinstance(node, ast.And):
        for operand in node.operands:
            yield from _conjuncts(operand)
    else:
        yield node


def _roots(value: ast.Value) -> set[str]:
    return {use.name for use in names_of(value)}


def _span(value: ast.Embedded) -> Span:
    marks, node = text_map(value), value.expr
    start, end = marks.position(node.at), marks.position(node.end)
    return Span(start, end) if start.line == end.line else Span.at(start.line, start.column)
