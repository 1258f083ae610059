"""Numbers as a schema says: ``number`` is a double though it was written ``100``, ``integer`` an int.

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


def declaring(schema: Any) -> Callable[[Any], Any] | None:
    """What makes the numbers of a value that fits a schema as it says; None when it would change nothing."""
    kinds = [part.get("type") for part in mappings(schema)]
    if not any(says_number(kind) or says_integer(kind) for kind in kinds):
        return None
    return lambda value: _declared(value, schema, schema, MAX_HOPS)


def is_plain(schema: dict[str, Any], root: Any) -> bool:
    """Whether numbers are made as this very schema says. The type checker asks the same."""
    if any(word in schema for word in _CHOICES) or (schema is not root and "$id" in schema):
        return False
    return not ("$ref" in schema and "type" in schema)


def says_number(kind: Any) -> bool:
    """Whether a ``type`` says that a whole number is a double."""
    return kind == "number" or (isinstance(kind, list) and "number" in kind and "integer" not in kind)


def says_integer(kind: Any) -> bool:
    """Whether a ``type`` says that a number is an int: JSON Schema takes 7.0 for an integer."""
    return kind == "integer" or (isinstance(kind, list) and "integer" in kind and "number" not in kind)


def _declared(value: Any, schema: Any, root: Any, hops: int) -> Any:
    if not isinstance(schema, dict) or not is_plain(schema, root):
        return value
    if "$ref" in schema:
        target = target_of(schema["$ref"], root)
        return _declared(value, target, root, hops - 1) if hops else value
    match value:
        case bool():
            return value
        case int() if says_number(schema.get("type")):
            return _double(value)
        case float() if says_integer(schema.get("type")) and value.is_integer() and abs(value) < 2**63:
            return int(value)
        case list():
            first, rest = schema.get("prefixItems", ()), schema.get("items")
            if isinstance(rest, list):  # draft-07 writes a tuple so
                first, rest = rest, schema.get("additionalItems")
            return [
                _declared(item, first[index] if index < len(first) else rest, root, MAX_HOPS)
                for index, item in enumerate(value)
            ]
        case dict():
            known = schema.get("properties", {})
            more = None if "patternProperties" in schema else schema.get("additionalProperties")
            return {key: _declared(item, known.get(key, more), root, MAX_HOPS) for key, item in value.items()}
        case _:
            return value


def _double(value: int) -> int | float:
    try:
        return float(value)
    except OverflowError:
        return value
