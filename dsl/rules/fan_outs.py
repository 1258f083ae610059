"""PD230: the items of a fan_out have different keys, as far as that can be seen."""

from __future__ import annotations

from typing import Any

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import names_of
from perdure.dsl.rules.places import steps_of
from perdure.dsl.rules.truth import span_of

_UNKNOWN = object()


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes a ``key`` that is the same for all items, or for two items of a list that is written out."""
    for step in steps_of(workflow):
        if diagnostics.full:
            return
        if isinstance(step, model.FanOut) and step.key is not None:
            _key(step, step.key, diagnostics)


def _key(step: model.FanOut, key: ast.Value, diagnostics: Collector) -> None:
    items = written(step.items)
    if items is not None and len(items) < 2:
        return
    span = span_of(key) or step.name_span or step.span
    if not {use.name for use in names_of(key)} & {step.each, step.at}:
        message = "every item has the same 'key', which must tell the items apart"
        hint = f"take it from the item: ${{ {step.each}.id }}; without 'key' it is the index"
        diagnostics.add("PD230", message, span, hint=hint)
    elif items is not None and (twice := _twice(key, items, step.each)) is not None:
        message = f"two items have the key {quote(str(twice))}"
        related = [Related(span=step.name_span, message="of this fan_out")] if step.name_span else []
        diagnostics.add("PD230", message, span, hint="a key names one item", related=related)


def written(items: ast.Value) -> list[Any] | None:
    """The items of a list that is written out in YAML; what is not constant is left as an expression."""
    match items:
        case ast.Const(value=list(found)):
            return found
        case ast.ListValue(found):
            return [each.value if isinstance(each, ast.Const) else each for each in found]
        case _:
            return None


def _twice(key: ast.Value, items: list[Any], each: str) -> object | None:
    if not isinstance(key, ast.Embedded):
        return None
    seen: set[tuple[type, object]] = set()
    for item in items:
        found = _of(key.expr, item, each)
        if isinstance(found, str | int):
            known = (type(found), found)
            if known in seen:
                return found
            seen.add(known)
    return None


def _of(node: ast.Node, item: Any, each: str) -> Any:
    """The key of an item, where it is the item or a field of it."""
    match node:
        case ast.Name(name) if name == each:
            return item
        case ast.Select(operand, field, False):
            found = _of(operand, item, each)
            return found.get(field, _UNKNOWN) if isinstance(found, dict) else _UNKNOWN
        case _:
            return _UNKNOWN
