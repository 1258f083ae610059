"""Whole numbers where a schema says ``number``: doubles, though they were written ``100``.

JSON does not tell 100 from 100.0, and a price that is 100 today must not divide otherwise than 99.5. Only
what a schema says plainly counts: by ``type``, through ``properties``, ``items`` and references. Below
``anyOf``, ``oneOf``, ``allOf``, ``enum`` and ``const`` numbers stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perdure.dsl.nesting import mappings
from perdure.dsl.pointers import target_of

_CHOICES = ("anyOf", "oneOf", "allOf", "enum", "const")
MAX_HOPS = 50
"""References that are followed without a step into the value."""


def widening(schema: Any) -> Callable[[Any], Any] | None:
    """What turns a value that fits a schema into one with doubles; None when it would change nothing."""
    if not any(says_number(part.get("type")) for part in mappings(schema)):
        return None
    return lambda value: _widened(value, schema, schema, MAX_HOPS)


def is_plain(schema: dict[str, Any], root: Any) -> bool:
    """Whether the numbers of this very schema are widened. The type checker asks the same."""
    if any(word in schema for word in _CHOICES) or (schema is not root and "$id" in schema):
        return False
    return not ("$ref" in schema and "type" in schema)


def says_number(kind: Any) -> bool:
    """Whether a ``type`` says that a whole number is a double."""
    return kind == "number" or (isinstance(kind, list) and "number" in kind and "integer" not in kind)


def _widened(value: Any, schema: Any, root: Any, hops: int) -> Any:
    if not isinstance(schema, dict) or not is_plain(schema, root):
        return value
    if "$ref" in schema:
        target = target_of(schema["$ref"], root)
        return _widened(value, target, root, hops - 1) if hops else value
    match value:
        case bool():
            return value
        case int() if says_number(schema.get("type")):
            return _double(value)
        case list():
            first, rest = schema.get("prefixItems", ()), schema.get("items")
            if isinstance(rest, list):  # draft-07 writes a tuple so
                first, rest = rest, schema.get("additionalItems")
            return [
                _widened(item, first[index] if index < len(first) else rest, root, MAX_HOPS)
                for index, item in enumerate(value)
            ]
        case dict():
            known = schema.get("properties", {})
            more = None if "patternProperties" in schema else schema.get("additionalProperties")
            return {key: _widened(item, known.get(key, more), root, MAX_HOPS) for key, item in value.items()}
        case _:
            return value


def _double(value: int) -> int | float:
    try:
        return float(value)
    except OverflowError:
        return value
