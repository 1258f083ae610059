"""What a condition is when it depends on nothing."""

from __future__ import annotations

from perdure.dsl.expr import ast
from perdure.dsl.expr.names import text_map
from perdure.dsl.source import Span


def truth(value: ast.Value | None) -> bool | None:
    """Whether a condition always or never holds; None when that depends on something."""
    return _of(value.expr) if isinstance(value, ast.Embedded) else None


def _of(node: ast.Node) -> bool | None:
    match node:
        case ast.Bool(value):
            return value
        case ast.Not(operand):
            found = _of(operand)
            return None if found is None else not found
        case ast.And(operands):
            return _chain([_of(each) for each in operands], deciding=False)
        case ast.Or(operands):
            return _chain([_of(each) for each in operands], deciding=True)
        case _:
            return None


def _chain(found: list[bool | None], *, deciding: bool) -> bool | None:
    if deciding in found:
        return deciding
    return None if None in found else not deciding


def span_of(value: ast.Value) -> Span | None:
    """Where the expression stands that is a whole value."""
    if not isinstance(value, ast.Embedded):
        return None
    marks = text_map(value)
    start, end = marks.position(value.expr.at), marks.position(value.expr.end)
    return Span(start, end) if start.line == end.line else Span.at(start.line, start.column)
