"""Values that the compiler takes apart or makes: texts and secrets."""

from __future__ import annotations

import msgspec

from perdure.compiler.ir import Secret
from perdure.dsl.expr import ast


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
