"""Values that the compiler takes apart or makes: texts, secrets, the equality of a correlation."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from perdure.compiler.ir import Secret
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import names_of


def text_value(value: ast.Value) -> ast.Value:
    """The value for a place that takes text: a constant that is none is written as JSON."""
    if isinstance(value, ast.Const) and not isinstance(value.value, str):
        return ast.Const(msgspec.json.encode(value.value).decode())
    return value


def without_secrets(value: ast.Value) -> tuple[ast.Value, tuple[Secret, ...]]:
    """Arguments with null in place of each ``${ secret('name') }``, and what has to be put in there."""
    secrets: list[Secret] = []
    return _blanked(value, (), secrets), tuple(secrets)


def _blanked(value: ast.Value, path: tuple[str | int, ...], secrets: list[Secret]) -> ast.Value:
    match value:
        case ast.Embedded(expr=ast.Call(name="secret", arguments=(ast.String(value=name),))):
            secrets.append(Secret(path=path, name=name))
            return ast.Const(None)
        case ast.ListValue(items):
            return ast.ListValue(
                tuple(_blanked(item, (*path, index), secrets) for index, item in enumerate(items))
            )
        case ast.MapValue(entries):
            return ast.MapValue(tuple((key, _blanked(item, (*path, key), secrets)) for key, item in entries))
        case _:
            return value


def equality(condition: ast.Value) -> tuple[ast.Embedded, ast.Embedded]:
    """The first conjunct of the form ``A == B`` in which one side reads nothing but ``event``, the other not.

    Returns the side of the event and the other one.
    """
    assert isinstance(condition, ast.Embedded), "a condition is one expression"
    for node in _conjuncts(condition.expr):
        match node:
            case ast.Chain(first=left, rest=(ast.Operation(operator="==", operand=right),)):
                sides = ast.Embedded(left, condition.marks), ast.Embedded(right, condition.marks)
                for event, known in (sides, sides[::-1]):
                    if _roots(event) == {"event"} and "event" not in _roots(known):
                        return event, known
            case _:
                pass
    raise AssertionError("the rules found an equality")


def _conjuncts(node: ast.Node) -> Iterator[ast.Node]:
    if isinstance(node, ast.And):
        for operand in node.operands:
            yield from _conjuncts(operand)
    else:
        yield node


def _roots(value: ast.Value) -> set[str]:
    return {use.name for use in names_of(value)}
