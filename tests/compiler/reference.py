"""A second evaluator of expressions, slow and obvious, to hold the generated code against.

Written from the language's description and not from the run time: it shares the syntax tree with it, and
nothing else. A value is a pair of its type's name and its content, so that no type can pass for another.
Maps are lists of pairs. Limits are not modelled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from perdure.dsl.expr import ast
from tests.compiler import reference_functions as functions
from tests.compiler.reference_values import (
    NUMERIC,
    Fail,
    Value,
    compare,
    equal,
    find,
    int64,
    kind,
    make_duration,
    make_timestamp,
    need,
    real,
    sorted_keys,
    uint64,
)

Names = dict[str, Value]


def evaluate(node: ast.Node, names: Names) -> Value:
    """The value of an expression; raises Fail."""
    match node:
        case ast.Null():
            return ("null", None)
        case ast.Bool(value):
            return ("bool", value)
        case ast.Int(value):
            return ("int", value)
        case ast.Uint(value):
            return ("uint", value)
        case ast.Double(value):
            return ("double", value)
        case ast.String(value):
            return ("string", value)
        case ast.Bytes(value):
            return ("bytes", value)
        case ast.Name(name):
            return names[name] if name in names else _type_named(name)
        case ast.Select(operand, field, optional):
            target = evaluate(operand, names)
            return optional_field(target, field) if optional else select(target, field)
        case ast.Index():
            return _index(node, names)
        case ast.Has(operand, field, optional):
            target = evaluate(operand, names)
            if target[0] not in ("map", "optional"):
                raise Fail("no_overload")
            return ("bool", optional_field(target, field)[1] is not None)
        case ast.Not(operand):
            return ("bool", not need("bool", evaluate(operand, names)))
        case ast.Negate(operand):
            return negate(evaluate(operand, names))
        case ast.And(operands):
            return _logic([(each, names) for each in operands], decides=False)
        case ast.Or(operands):
            return _logic([(each, names) for each in operands], decides=True)
        case ast.Conditional(test, then, other):
            return evaluate(then if need("bool", evaluate(test, names)) else other, names)
        case ast.Chain(first, rest):
            so_far = evaluate(first, names)
            for link in rest:
                so_far = OPERATORS[link.operator](so_far, evaluate(link.operand, names))
            return so_far
        case ast.List(elements):
            return _list(elements, names)
        case ast.Map(entries):
            return _map(entries, names)
        case ast.Call(name, arguments):
            return functions.call(name, [evaluate(each, names) for each in arguments])
        case ast.Method(operand, name, arguments):
            return functions.method(name, [evaluate(each, names) for each in (operand, *arguments)])
        case ast.Macro():
            return _macro(node, names)


def _type_named(name: str) -> Value:
    if name in ("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"):
        return ("type", name)
    raise Fail("unknown_name")


# Access -----------------------------------------------------------------------------------------------


def select(target: Value, field: str) -> Value:
    """``target.field``."""
    if target[0] == "optional":
        return optional_field(target, field)
    if target[0] != "map":
        raise Fail("no_overload")
    found = find(target, ("string", field))
    if found is None:
        raise Fail("no_such_field")
    return found


def optional_field(target: Value, field: str) -> Value:
    """``target.?field``."""
    if target[0] == "optional":
        return target if target[1] is None else optional_field(target[1], field)
    if target[0] != "map":
        raise Fail("no_overload")
    return ("optional", find(target, ("string", field)))


def _index(node: ast.Index, names: Names) -> Value:
    target = evaluate(node.operand, names)
    key = evaluate(node.index, names)
    if node.optional:
        return _optional_element(target, key)
    if isinstance(node.index, ast.String):
        return select(target, node.index.value)
    if target[0] == "optional":
        return _optional_element(target, key)
    found = _element(target, key)
    if found is None:
        raise Fail("index" if target[0] == "list" else "no_such_key")
    return found


def _optional_element(target: Value, key: Value) -> Value:
    if target[0] == "optional":
        return target if target[1] is None else _optional_element(target[1], key)
    return ("optional", _element(target, key))


def _element(target: Value, key: Value) -> Value | None:
    if target[0] == "map":
        return find(target, key)
    if target[0] != "list" or key[0] not in NUMERIC:
        raise Fail("no_overload")
    if key[0] == "double" and not key[1].is_integer():
        raise Fail("no_overload")
    place = int(key[1])
    element: Value | None = target[1][place] if 0 <= place < len(target[1]) else None
    return element


# Operators --------------------------------------------------------------------------------------------


def negate(value: Value) -> Value:
    """``-value``."""
    match value:
        case ("int", number):
            return int64(-number)
        case ("double", number):
            return ("double", -number)
        case _:
            raise Fail("no_overload")


def add(a: Value, b: Value) -> Value:
    """``a + b``."""
    match kind(a, b):
        case "int int":
            return int64(a[1] + b[1])
        case "uint uint":
            return uint64(a[1] + b[1])
        case "int double" | "double int" | "double double":
            return ("double", real(a) + real(b))
        case "string string" | "bytes bytes" | "list list":
            return (a[0], a[1] + b[1])
        case "duration duration":
            return make_duration(a[1] + b[1])
        case "timestamp duration" | "duration timestamp":
            return make_timestamp(a[1] + b[1])
        case _:
            raise Fail("no_overload")


def subtract(a: Value, b: Value) -> Value:
    """``a - b``."""
    match kind(a, b):
        case "int int":
            return int64(a[1] - b[1])
        case "uint uint":
            return uint64(a[1] - b[1])
        case "int double" | "double int" | "double double":
            return ("double", real(a) - real(b))
        case "duration duration" | "timestamp timestamp":
            return make_duration(a[1] - b[1])
        case "timestamp duration":
            return make_timestamp(a[1] - b[1])
        case _:
            raise Fail("no_overload")


def multiply(a: Value, b: Value) -> Value:
    """``a * b``."""
    match kind(a, b):
        case "int int":
            return int64(a[1] * b[1])
        case "uint uint":
            return uint64(a[1] * b[1])
        case "int double" | "double int" | "double double":
            return ("double", real(a) * real(b))
        case _:
            raise Fail("no_overload")


def divide(a: Value, b: Value) -> Value:
    """``a / b``."""
    match kind(a, b):
        case "int int" | "uint uint":
            if b[1] == 0:
                raise Fail("div_zero")
            quotient = math.trunc(Fraction(a[1], b[1]))
            return int64(quotient) if a[0] == "int" else uint64(quotient)
        case "int double" | "double int" | "double double":
            x, y = real(a), real(b)
            if y != 0:
                return ("double", x / y)
            if x == 0 or math.isnan(x):
                return ("double", math.nan)
            negative = math.copysign(1, x) * math.copysign(1, y) < 0
            return ("double", -math.inf if negative else math.inf)
        case _:
            raise Fail("no_overload")


def modulo(a: Value, b: Value) -> Value:
    """``a % b``."""
    if kind(a, b) not in ("int int", "uint uint"):
        raise Fail("no_overload")
    if b[1] == 0:
        raise Fail("div_zero")
    return (a[0], a[1] - b[1] * math.trunc(Fraction(a[1], b[1])))


def contained(a: Value, b: Value) -> Value:
    """``a in b``."""
    if b[0] == "list":
        return ("bool", any(equal(a, item) for item in b[1]))
    if b[0] == "map":
        return ("bool", find(b, a) is not None)
    raise Fail("no_overload")


OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "in": contained,
    "==": lambda a, b: ("bool", equal(a, b)),
    "!=": lambda a, b: ("bool", not equal(a, b)),
    "<": lambda a, b: ("bool", compare(a, b) == "<"),
    "<=": lambda a, b: ("bool", compare(a, b) in ("<", "=")),
    ">": lambda a, b: ("bool", compare(a, b) == ">"),
    ">=": lambda a, b: ("bool", compare(a, b) in (">", "=")),
}


def _logic(operands: list[tuple[ast.Node, Names]], *, decides: bool) -> Value:
    """``&&`` and ``||``: the deciding value wins over errors, the first error over the other value."""
    failed: Fail | None = None
    for operand, names in operands:
        try:
            if need("bool", evaluate(operand, names)) is decides:
                return ("bool", decides)
        except Fail as error:
            failed = failed or error
    if failed:
        raise failed
    return ("bool", not decides)


# Literals and macros ----------------------------------------------------------------------------------


def _list(elements: tuple[ast.Element, ...], names: Names) -> Value:
    items: list[Value] = []
    for element in elements:
        value = evaluate(element.value, names)
        if not element.optional:
            items.append(value)
        elif (inner := need("optional", value)) is not None:
            items.append(inner)
    return ("list", items)


def _map(entries: tuple[ast.Entry, ...], names: Names) -> Value:
    result: list[tuple[Value, Value]] = []
    for entry in entries:
        key, value = evaluate(entry.key, names), evaluate(entry.value, names)
        if entry.optional:
            inner = need("optional", value)
            if inner is None:
                continue
            value = inner
        _put(result, key, value)
    return ("map", result)


def _put(result: list[tuple[Value, Value]], key: Value, value: Value) -> None:
    if key[0] not in ("string", "int", "uint", "bool"):
        raise Fail("no_overload")
    if find(("map", result), key) is not None:
        raise Fail("duplicate_key")
    result.append((key, value))


def _macro(node: ast.Macro, names: Names) -> Value:
    target = evaluate(node.target, names)
    body = node.bodies[-1]
    if node.name == "cel.bind":
        return evaluate(body, {**names, node.variables[0]: target})
    if node.name in ("optMap", "optFlatMap"):
        inner = need("optional", target)
        if inner is None:
            return target
        value = evaluate(body, {**names, node.variables[0]: inner})
        if node.name == "optMap":
            return ("optional", value)
        return ("optional", need("optional", value))
    steps = [
        (key, element, {**names, **dict(zip(node.variables, bound, strict=True))})
        for key, element, bound in _steps(target, len(node.variables))
    ]
    if node.name in ("all", "exists"):
        return _logic([(body, inner) for _, _, inner in steps], decides=node.name == "exists")
    return _collected(node, steps)


def _steps(target: Value, variables: int) -> list[tuple[Value, Value, tuple[Value, ...]]]:
    """For each step of a loop: key or index, what ``filter`` keeps, and the values of the variables."""
    if target[0] == "list":
        numbered = [(("int", place), item) for place, item in enumerate(target[1])]
        return [(key, item, (item,) if variables == 1 else (key, item)) for key, item in numbered]
    if target[0] != "map":
        raise Fail("no_overload")
    keys = sorted_keys(target)
    pairs = [(key, next(value for known, value in target[1] if known == key)) for key in keys]
    return [(key, key, (key,) if variables == 1 else (key, value)) for key, value in pairs]


def _collected(node: ast.Macro, steps: list[tuple[Value, Value, Names]]) -> Value:
    body = node.bodies[-1]
    kept: list[Value] = []
    entries: list[tuple[Value, Value]] = []
    tests = len(node.bodies) == 2 or node.name in ("filter", "exists_one", "existsOne")
    for key, element, inner in steps:
        if tests and not need("bool", evaluate(node.bodies[0], inner)):
            continue
        if node.name in ("filter", "exists_one", "existsOne"):
            kept.append(element)
            continue
        value = evaluate(body, inner)
        if node.name == "transformMap":
            _put(entries, key, value)
        elif node.name == "transformMapEntry":
            for one, two in need("map", value):
                _put(entries, one, two)
        elif node.name == "groupBy":
            _group(entries, value, element)
        else:
            kept.append(value)
    match node.name:
        case "exists_one" | "existsOne":
            return ("bool", len(kept) == 1)
        case "transformMap" | "transformMapEntry" | "groupBy":
            return ("map", entries)
        case "sortBy":
            return functions.sorted_by([element for _, element, _ in steps], kept)
        case _:
            return ("list", kept)


def _group(groups: list[tuple[Value, Value]], key: Value, element: Value) -> None:
    group: Any = find(("map", groups), key)
    if group is None:
        group = ("list", [])
        _put(groups, key, group)
    group[1].append(element)
