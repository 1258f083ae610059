"""The names that an expression reads from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from perdure.dsl.expr import ast
from perdure.dsl.expr.functions import TYPE_NAMES, WELL_KNOWN_TYPES
from perdure.dsl.source import Mark, Position, TextMap


class Use(NamedTuple):
    """One place that reads the root ``name``; ``fields`` are the plain field names selected from it there."""

    name: str
    position: Position
    length: int
    fields: tuple[str, ...]


def names_of(value: ast.Value) -> list[Use]:
    """Every use of a root in ``value``, in the order of the text; bound variables and types are none."""
    uses = []
    for part in ast.embedded(value):
        marks = text_map(part)
        for name, fields in _free(part.expr, frozenset()):
            length = name.end - name.at
            uses.append(Use(name.name, marks.position(name.at), length, fields))
    return uses


def text_map(part: ast.Embedded) -> TextMap:
    """From offsets in the expression's text to the file."""
    return TextMap(Mark(*mark) for mark in part.marks or ((0, 0, 0),))


def dotted_name(node: ast.Node) -> str | None:
    """``a.b.c`` for a plain selection chain from a name."""
    fields: list[str] = []
    while isinstance(node, ast.Select) and not node.optional:
        fields.append(node.field)
        node = node.operand
    return ".".join([node.name, *reversed(fields)]) if isinstance(node, ast.Name) else None


def is_type(node: ast.Node, bound: frozenset[str] = frozenset()) -> bool:
    """Whether the node denotes a type: ``int``, ``google.protobuf.Timestamp``."""
    if isinstance(node, ast.Name):
        return node.name in TYPE_NAMES and node.name not in bound
    return isinstance(node, ast.Select) and "google" not in bound and dotted_name(node) in WELL_KNOWN_TYPES


def _free(node: ast.Node, bound: frozenset[str]) -> Iterator[tuple[ast.Name, tuple[str, ...]]]:
    fields: list[str] = []
    if is_type(node, bound):
        return
    while isinstance(node, ast.Select | ast.Has):
        if not (isinstance(node, ast.Has) or node.optional):
            fields.append(node.field)
        else:
            fields.clear()
        node = node.operand
    if isinstance(node, ast.Name):
        if node.root or node.name not in bound:
            yield node, tuple(reversed(fields))
        return
    if isinstance(node, ast.Macro):
        yield from _free(node.target, bound)
        inner = bound | set(node.variables)
        for body in node.bodies:
            yield from _free(body, inner)
        return
    for child in ast.children(node):
        yield from _free(child, bound)
