"""From a JSON Schema, of draft-07 or 2020-12, to the type of what it accepts.

A type may be wider than its schema, never narrower: what only restricts, such as ``minimum`` or ``not``, is
left out. The work is bounded, whatever the schema: what is beyond becomes ``DYN``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from perdure.dsl.numbers import is_plain, says_number
from perdure.dsl.pointers import target_of
from perdure.dsl.types.kinds import (
    BOOL,
    DOUBLE,
    DYN,
    INT,
    MAP,
    NEVER,
    NULL,
    NUMBER,
    STRING,
    Atom,
    List,
    Map,
    Object,
    Type,
    fits,
    join,
    list_of,
    map_of,
    members,
    object_of,
)

MAX_PARTS = 2_000
"""Most parts of one schema that are looked at."""
MAX_DEPTH = 12
"""How deep types nest, so that a schema that contains itself ends."""

_SIMPLE: dict[str, Type] = {"null": NULL, "boolean": BOOL, "integer": INT, "number": NUMBER, "string": STRING}
_DRAFT_7 = ("http://json-schema.org/draft-07/schema", "http://json-schema.org/draft-07/schema#")


def type_of_schema(schema: Any, *, widened: bool = False) -> Type:
    """The type of what a schema accepts; ``DYN`` for none. ``widened``: after ``numbers.declaring``."""
    return _Reader(schema, widened=widened).read(schema, 0)


def type_of_json(value: Any, depth: int = 0) -> Type:
    """The type of a constant."""
    match value:
        case None:
            return NULL
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return DOUBLE
        case str():
            return STRING
        case list() | dict() if depth > MAX_DEPTH:
            return list_of(DYN) if isinstance(value, list) else MAP
        case list():
            return list_of(join(*(type_of_json(each, depth + 1) for each in value[:50]), *_more(value)))
        case dict():
            return object_of({name: type_of_json(each, depth + 1) for name, each in value.items()})
        case _:
            return DYN


def _more(value: list[Any]) -> tuple[Type, ...]:
    return (DYN,) if len(value) > 50 else ()


class _Reader:
    """Reads one schema."""

    def __init__(self, root: Any, *, widened: bool) -> None:
        self._root = root
        self._widened = widened
        self._left = MAX_PARTS
        self._old = isinstance(root, dict) and root.get("$schema") in _DRAFT_7

    def read(self, schema: Any, depth: int) -> Type:
        self._left -= 1
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self._left < 0:
            return DYN
        if schema is not self._root and "$id" in schema:
            return DYN  # its references are relative to itself
        if self._widened and not is_plain(schema, self._root):
            # From here down numbers are as they were written.
            reader = _Reader(self._root, widened=False)
            return reader.read(schema, depth)
        parts = []
        if "$ref" in schema:
            target = target_of(schema["$ref"], self._root)
            found = DYN if target is None else self.read(target, depth + 1)
            if self._old:
                return found  # nothing beside a $ref counts there
            parts.append(found)
        parts.append(self._own(schema, depth))
        parts += [self.read(each, depth + 1) for each in _sequence(schema.get("allOf"))[:20]]
        choices = (_sequence(schema.get(word)) for word in ("anyOf", "oneOf"))
        parts += [self._any(each, depth) for each in choices if each]
        result = parts[0]
        for part in parts[1:]:
            result = _both(result, part)
        return result

    def _any(self, choices: Sequence[Any], depth: int) -> Type:
        if len(choices) > 20:
            return DYN
        return join(*(self.read(each, depth + 1) for each in choices))

    def _own(self, schema: dict[str, Any], depth: int) -> Type:
        """The type by the keywords that stand in the schema itself."""
        kinds = self._kinds(schema, depth)
        if "const" in schema:
            return _both(kinds, _listed([schema["const"]]))
        values = schema.get("enum")
        return _both(kinds, _listed(values)) if isinstance(values, list) and values else kinds

    def _kinds(self, schema: dict[str, Any], depth: int) -> Type:
        given = schema.get("type")
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not names:
            return DYN
        return join(*(self._kind(name, schema, depth) for name in names[:8]))

    def _kind(self, name: Any, schema: dict[str, Any], depth: int) -> Type:
        match name:
            case "object":
                return self._object(schema, depth)
            case "array":
                return list_of(self._items(schema, depth))
            case "number" if self._widened and says_number(schema["type"]):
                return DOUBLE
            case _:
                return _SIMPLE.get(name, DYN) if isinstance(name, str) else DYN

    def _items(self, schema: dict[str, Any], depth: int) -> Type:
        items, first = schema.get("items"), _sequence(schema.get("prefixItems"))
        if isinstance(items, list):  # draft-07 writes a tuple so
            first, items = items, schema.get("additionalItems")
        rest: tuple[Type, ...] = () if first and items is False else (self.read(items, depth + 1),)
        if len(first) > 20:
            return DYN
        return join(*(self.read(each, depth + 1) for each in first), *rest)

    def _object(self, schema: dict[str, Any], depth: int) -> Type:
        properties, more = schema.get("properties"), schema.get("additionalProperties")
        rest: Type | None = None if more is False else self.read(more, depth + 1)
        if schema.get("patternProperties"):
            rest = DYN
        if not isinstance(properties, dict):
            properties = {}
        needed = {name for name in _sequence(schema.get("required")) if isinstance(name, str)}
        if not properties and not needed and rest is not None:
            return map_of(STRING, rest)
        fields = {str(name): self.read(each, depth + 1) for name, each in properties.items()}
        return object_of(fields, needed, rest)


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _listed(values: Sequence[Any]) -> Type:
    """The type of the values of an enumeration: JSON Schema takes 1 and 1.0 for the same."""
    found = []
    for value in values[:200]:
        whole = isinstance(value, float) and value.is_integer()
        found.append(NUMBER if whole else type_of_json(value))
    return join(*found) if len(values) <= 200 else DYN


def _both(one: Type, other: Type) -> Type:
    """What is of both types, or something wider; never narrower."""
    if DYN in (one, other):
        return other if one == DYN else one
    found = [_meet(a, b) for a in members(one) for b in members(other) if fits(a, b) or fits(b, a)]
    return join(*found) if found else NEVER


def _meet(a: Atom, b: Atom) -> Type:
    match a, b:
        case (Object(), Object()):
            return _merged(a, b)
        case (Object(), Map()) | (List(), List()):
            return a
        case (Map(), Object()):
            return b
        case _:
            return a if fits(b, a) and a == INT else b


def _merged(a: Object, b: Object) -> Type:
    """An object that satisfies two schemas."""
    fields: Mapping[str, Type] = {
        name: _both(a.fields.get(name, DYN), b.fields.get(name, DYN)) for name in {**a.fields, **b.fields}
    }
    closed = [each for each in (a, b) if each.rest is None]
    for each in closed:
        fields = {name: kind for name, kind in fields.items() if name in each.fields}
    return object_of(fields, a.required | b.required, None if closed else DYN)
