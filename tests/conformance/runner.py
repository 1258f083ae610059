"""Run one conformance row: compile, evaluate, compare with the typed value it names."""

from __future__ import annotations

import base64
import math
from types import SimpleNamespace
from typing import Any, NamedTuple

from perdure.compiler.codegen import compile_value
from perdure.compiler.runtime import Duration, EvalError, Timestamp
from perdure.compiler.runtime.values import BoolKey, Optional, TypeValue, Uint, map_key
from perdure.dsl.expr import ast
from perdure.dsl.expr.check import WARNINGS, check
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.parser import parse
from perdure.dsl.expr.times import parse_duration, parse_timestamp

NOW_US = 1_700_000_000_123_456


class Refused(NamedTuple):
    """An expected kind of failure."""

    kind: str


def from_typed(typed: dict[str, Any]) -> Any:
    """A typed value of the rows as the run-time value."""
    value: Any = typed.get("value")
    match typed["type"]:
        case "null":
            return None
        case "uint":
            return Uint(value)
        case "double":
            return float(value)
        case "bytes":
            return base64.b64decode(value)
        case "list":
            return [from_typed(item) for item in value]
        case "map":
            return {map_key(from_typed(key)): from_typed(item) for key, item in value}
        case "timestamp":
            return parse_timestamp(value)
        case "duration":
            return parse_duration(value)
        case "type":
            return TypeValue(value)
        case _:
            return value


def canonical(value: Any) -> Any:
    """A run-time value as nested tuples that are equal only for equal values of equal types."""
    match value:
        case list():
            return ("list", tuple(canonical(item) for item in value))
        case dict():
            return ("map", frozenset((canonical(key), canonical(item)) for key, item in value.items()))
        case BoolKey():
            return ("bool", value.value)
        case TypeValue():
            return ("type", value.name)
        case Timestamp() | Duration():
            return (type(value).__name__, value.ns)
        case Optional():
            return ("optional", value.present, canonical(value.value))
        case float():
            return ("double", "NaN" if math.isnan(value) else repr(value))
        case _:
            return (type(value).__name__, value)


def evaluate(row: dict[str, Any]) -> Any:
    """The row's value, or ``Refused`` when the expression module refuses it; any other exception escapes."""
    bindings = {name: from_typed(value) for name, value in row.get("bindings", {}).items()}
    roots = {name: f"f[{name!r}]" for name in {*bindings, *row.get("types", {})}}
    try:
        value = ast.Embedded(parse(row["expr"]), ((0, 1, 1),))
        if not row.get("disable_check"):
            for problem in check(value):
                if problem.kind not in WARNINGS:
                    return Refused(problem.kind)
        evaluator = compile_value(value, roots, result="raw")
        return evaluator(bindings, SimpleNamespace(now_us=NOW_US, uuid=lambda label: f"uuid-{label}"))
    except (ExprError, EvalError) as error:
        return Refused(error.kind)


def failure(row: dict[str, Any], expect: dict[str, Any]) -> str | None:
    """Why the row is not met, or None; an error may name the kind it must have.

    An exception that is no error of the expression module fails the row, whatever was expected.
    """
    try:
        got = evaluate(row)
    except Exception as error:  # noqa: BLE001 - whatever it is, it fails this row and no other
        return f"{type(error).__name__} escaped: {error}"
    if isinstance(got, Refused) and got.kind == "cel.internal":
        return "a defect of the evaluation"
    if expect.get("error"):
        met = isinstance(got, Refused) and expect.get("kind", got.kind) == got.kind
        return None if met else f"expected an error, got {got!r}"
    wanted = from_typed(expect["value"])
    if isinstance(got, Refused) or canonical(got) != canonical(wanted):
        return f"expected {wanted!r}, got {got!r}"
    return None
