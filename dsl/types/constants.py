"""Constants against the values that a JSON Schema lists with ``enum`` and ``const``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from perdure.dsl.diagnostics import quote
from perdure.dsl.expr import ast
from perdure.dsl.forms import NOTHING
from perdure.dsl.pointers import target_of

MAX_PARTS = 500
"""Most parts of one value that are looked at."""
MAX_REFERENCES = 10
_LISTED = 8
"""Most values that a message lists."""


def refused_constants(value: ast.Value, schema: Any, what: str) -> Iterator[str]:
    """A message for each constant in a value that is not among those that its schema takes.

    ``what`` names the value, as in ``Charge.currency``.
    """
    waiting: list[tuple[Any, Any, str]] = [(value, schema, what)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part, part_schema, name = waiting.pop()
        found = _resolved(part_schema, schema)
        if part is NOTHING:
            continue
        if isinstance(part, ast.Const):
            part = part.value
        if not isinstance(found, dict) or isinstance(part, ast.Embedded | ast.Text):
            continue
        taken = _taken(found)
        is_constant = not isinstance(part, ast.MapValue | ast.ListValue)
        if is_constant and taken is not None and not any(_same(part, each) for each in taken):
            yield f"{name} takes {_listed(taken)}, not {_shown(part)}"
            continue
        waiting.extend(reversed(list(_parts(part, found, name))))


def _parts(value: Any, schema: dict[str, Any], name: str) -> Iterator[tuple[Any, Any, str]]:
    """What a map or list is made of, with the schemas of the parts."""
    match value:
        case ast.MapValue(entries):
            fields = dict(entries)
        case dict():
            fields = value
        case ast.ListValue() | list():
            items = value.items if isinstance(value, ast.ListValue) else value
            if isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
                for position, each in enumerate(items[:MAX_PARTS]):
                    yield each, schema["items"], f"{name}[{position}]"
            return
        case _:
            return
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return
    for key, each in fields.items():
        if key in properties:
            yield each, properties[key], f"{name}.{key}"


def _resolved(schema: Any, root: Any) -> Any:
    """The schema that a reference of this schema leads to, if it is one."""
    for _ in range(MAX_REFERENCES):
        if not isinstance(schema, dict) or "$ref" not in schema:
            break
        schema = target_of(schema["$ref"], root)
    return schema


def _taken(schema: dict[str, Any]) -> list[Any] | None:
    """The values that a schema lists; None when it lists none."""
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) and values else None


def _same(one: Any, other: Any) -> bool:
    """Whether two constants are one JSON value: 1 is 1.0, and true is no number."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _listed(values: list[Any]) -> str:
    shown = [_shown(each, plain=True) for each in values[:_LISTED]]
    if len(values) > _LISTED:
        return f"{', '.join(shown)} and {len(values) - _LISTED} others"
    *first, last = shown
    return f"{', '.join(first)} or {last}" if first else last


def _shown(value: Any, *, plain: bool = False) -> str:
    """A constant in a message."""
    if isinstance(value, str):
        return value[:60] if plain and value else quote(value)
    return "null" if value is None else quote(json.dumps(value)).strip("'")
