"""The syntax tree of an expression, and of a YAML position whose leaves are expressions.

Everything is a frozen ``msgspec.Struct`` that reads and writes JSON: Programs store trees, not text.
``at`` and ``end`` are code point offsets in the expression's text; ``end`` is after the last character.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec


class Null(msgspec.Struct, frozen=True, array_like=True, tag="null"):
    """The literal ``null``."""

    at: int
    end: int


class Bool(msgspec.Struct, frozen=True, array_like=True, tag="bool"):
    """The literal ``true`` or ``false``."""

    value: bool
    at: int
    end: int


class Int(msgspec.Struct, frozen=True, array_like=True, tag="int"):
    """An int64 literal; a minus before the digits is part of it."""

    value: int
    at: int
    end: int


class Uint(msgspec.Struct, frozen=True, array_like=True, tag="uint"):
    """A uint64 literal such as ``7u``."""

    value: int
    at: int
    end: int


class Double(msgspec.Struct, frozen=True, array_like=True, tag="double"):
    """A finite double literal; a minus before the digits is part of it."""

    value: float
    at: int
    end: int


class String(msgspec.Struct, frozen=True, array_like=True, tag="string"):
    """A string literal, its escapes decoded."""

    value: str
    at: int
    end: int


class Bytes(msgspec.Struct, frozen=True, array_like=True, tag="bytes"):
    """A bytes literal, its escapes decoded."""

    value: bytes
    at: int
    end: int


class Name(msgspec.Struct, frozen=True, array_like=True, tag="name"):
    """A bound variable, a root or a type; with ``root`` (written ``.x``) never a bound variable."""

    name: str
    root: bool
    at: int
    end: int


class Select(msgspec.Struct, frozen=True, array_like=True, tag="select"):
    """``operand.field``, or ``operand.?field`` with ``optional``; ``field_at`` is where the field stands."""

    operand: Node
    field: str
    optional: bool
    field_at: int
    at: int
    end: int


class Index(msgspec.Struct, frozen=True, array_like=True, tag="index"):
    """``operand[index]``, or ``operand[?index]`` with ``optional``."""

    operand: Node
    index: Node
    optional: bool
    at: int
    end: int


class Has(msgspec.Struct, frozen=True, array_like=True, tag="has"):
    """``has(operand.field)``, or ``has(operand.?field)`` with ``optional``."""

    operand: Node
    field: str
    optional: bool
    at: int
    end: int


class Call(msgspec.Struct, frozen=True, array_like=True, tag="call"):
    """A function, with its namespace if it has one: ``size(x)``, ``math.ceil(x)``."""

    name: str
    arguments: tuple[Node, ...]
    name_at: int
    at: int
    end: int


class Method(msgspec.Struct, frozen=True, array_like=True, tag="method"):
    """``operand.name(arguments)``."""

    operand: Node
    name: str
    arguments: tuple[Node, ...]
    name_at: int
    at: int
    end: int


class Macro(msgspec.Struct, frozen=True, array_like=True, tag="macro"):
    """A call that binds ``variables`` while it evaluates its ``bodies``; its name is in functions.MACROS.

    ``target`` is the receiver, or for ``cel.bind`` the bound value.
    """

    name: str
    target: Node
    variables: tuple[str, ...]
    bodies: tuple[Node, ...]
    name_at: int
    at: int
    end: int


class Not(msgspec.Struct, frozen=True, array_like=True, tag="not"):
    """``!operand``."""

    operand: Node
    at: int
    end: int


class Negate(msgspec.Struct, frozen=True, array_like=True, tag="negate"):
    """``-operand``."""

    operand: Node
    at: int
    end: int


class And(msgspec.Struct, frozen=True, array_like=True, tag="and"):
    """A chain of ``&&``."""

    operands: tuple[Node, ...]
    at: int
    end: int


class Or(msgspec.Struct, frozen=True, array_like=True, tag="or"):
    """A chain of ``||``."""

    operands: tuple[Node, ...]
    at: int
    end: int


class Conditional(msgspec.Struct, frozen=True, array_like=True, tag="conditional"):
    """``test ? then : other``."""

    test: Node
    then: Node
    other: Node
    at: int
    end: int


class Operation(msgspec.Struct, frozen=True, array_like=True):
    """One link of a chain: the operator, where it stands, and what is to its right."""

    operator: str
    operand: Node
    at: int
    end: int


class Chain(msgspec.Struct, frozen=True, array_like=True, tag="chain"):
    """Binary operators of one precedence, applied from left to right."""

    first: Node
    rest: tuple[Operation, ...]
    at: int
    end: int


class Element(msgspec.Struct, frozen=True, array_like=True):
    """One item of a list; ``optional`` when written ``?value``."""

    value: Node
    optional: bool


class List(msgspec.Struct, frozen=True, array_like=True, tag="list"):
    """A list literal."""

    elements: tuple[Element, ...]
    at: int
    end: int


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a map; ``optional`` when written ``?key: value``."""

    key: Node
    value: Node
    optional: bool


class Map(msgspec.Struct, frozen=True, array_like=True, tag="map"):
    """A map literal."""

    entries: tuple[Entry, ...]
    at: int
    end: int


Node = (
    Null | Bool | Int | Uint | Double | String | Bytes | Name | Select | Index | Has | Call | Method
    | Macro | Not | Negate | And | Or | Conditional | Chain | List | Map
)  # fmt: skip


class Const(msgspec.Struct, frozen=True, array_like=True, tag="const"):
    """A JSON constant."""

    value: Any


class Embedded(msgspec.Struct, frozen=True, array_like=True, tag="expr"):
    """A scalar that is one ``${ expr }`` and keeps its type.

    ``marks`` map offsets in the expression's text to the file, as ``dsl.source.TextMap`` does.
    """

    expr: Node
    marks: tuple[tuple[int, int, int], ...]


class Text(msgspec.Struct, frozen=True, array_like=True, tag="text"):
    """Text with expressions in it."""

    parts: tuple[str | Embedded, ...]


class ListValue(msgspec.Struct, frozen=True, array_like=True, tag="items"):
    """A YAML sequence."""

    items: tuple[Value, ...]


class MapValue(msgspec.Struct, frozen=True, array_like=True, tag="entries"):
    """A YAML mapping, in the order of the file."""

    entries: tuple[tuple[str, Value], ...]


Value = Const | Embedded | Text | ListValue | MapValue


def children(node: Node) -> Iterator[Node]:
    """The expressions directly below ``node``, in the order of the text."""
    for value in msgspec.structs.astuple(node):
        if isinstance(value, tuple):
            for item in value:
                if isinstance(item, Operation):
                    yield item.operand
                elif isinstance(item, Element):
                    yield item.value
                elif isinstance(item, Entry):
                    yield item.key
                    yield item.value
                elif isinstance(item, msgspec.Struct):
                    yield item  # type: ignore[misc]
        elif isinstance(value, msgspec.Struct):
            yield value  # type: ignore[misc]


def embedded(value: Value) -> Iterator[Embedded]:
    """The expressions in a YAML position, in the order of the text."""
    match value:
        case Embedded():
            yield value
        case Text(parts):
            yield from (part for part in parts if isinstance(part, Embedded))
        case ListValue(items):
            for item in items:
                yield from embedded(item)
        case MapValue(entries):
            for _, item in entries:
                yield from embedded(item)
        case Const():
            pass


def leaves(value: Value, *, lists: bool = True) -> Iterator[Embedded]:
    """The expressions in a YAML position that are a whole scalar each, those in ``lists`` as well."""
    match value:
        case Embedded():
            yield value
        case ListValue(items) if lists:
            for item in items:
                yield from leaves(item)
        case MapValue(entries):
            for _, item in entries:
                yield from leaves(item, lists=lists)
        case Text() | Const() | ListValue():
            pass


_POSITIONS = frozenset({"at", "end", "field_at", "name_at"})


def without_positions(value: Value) -> Value:
    """The same value with every offset 0 and no marks: equal for texts that differ in layout only."""
    stripped: Value = _strip(value)
    return stripped


def _strip(item: Any) -> Any:
    if isinstance(item, tuple):
        return tuple(_strip(part) for part in item)
    if isinstance(item, Const) or not isinstance(item, msgspec.Struct):
        return item
    if isinstance(item, Embedded):
        return Embedded(_strip(item.expr), ())
    changes = {
        name: 0 if name in _POSITIONS else _strip(getattr(item, name)) for name in item.__struct_fields__
    }
    return type(item)(**changes)
