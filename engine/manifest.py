"""The contract of activities, as JSON: what each takes and gives, from its type annotations.

What is not annotated, or has no JSON form, has the schema ``{}``: anything.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints, is_typeddict

import msgspec

VERSION = "perdure/1"

_ANYTHING = (Any, object, inspect.Parameter.empty, inspect.Signature.empty)
_DEFINITIONS = "#/$defs/{name}"


def manifest_of(activities: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """The manifest of functions by name, without the parameter ``ctx``."""
    found = {name: contract_of(function) for name, function in sorted(activities.items())}
    return {"manifest": VERSION, "activities": found}


def contract_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The contract of one function."""
    hints = _hints(function)
    parameters = [
        {
            "name": name,
            "schema": schema_of(hints.get(name, Any)),
            "required": parameter.default is inspect.Parameter.empty,
        }
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "ctx"
    ]
    contract: dict[str, Any] = {"parameters": parameters, "result": _result_of(hints.get("return", Any))}
    doc = inspect.getdoc(function)
    return {"doc": doc.partition("\n")[0], **contract} if doc else contract


def _hints(annotated: Any) -> dict[str, Any]:
    """The annotations of a function or class; none when one of them cannot be evaluated."""
    try:
        return get_type_hints(annotated, include_extras=True)
    except Exception:  # noqa: BLE001  # it is the user's code that is evaluated
        return {}


def schema_of(hint: Any) -> dict[str, Any]:
    """The JSON Schema of a type annotation, with the definitions that it needs."""
    if hint in _ANYTHING:
        return {}
    try:
        (schema,), definitions = msgspec.json.schema_components([hint], ref_template=_DEFINITIONS)
    except Exception:  # noqa: BLE001  # what cannot be described may be anything
        return {}
    found: dict[str, Any] = _numbers_too({**schema, "$defs": definitions} if definitions else schema)
    return found


def _numbers_too(schema: Any) -> Any:
    """The schema with decimals as what converts to them: text and numbers."""
    if isinstance(schema, list):
        return [_numbers_too(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return {**schema, "type": ["string", "number"]}
    return {name: _numbers_too(each) for name, each in schema.items()}


def _result_of(hint: Any) -> dict[str, Any]:
    """The schema of a result: objects of classes have all fields of their class and no others.

    Of a TypedDict those may be missing that it does not require.
    """
    if hint is None or hint is type(None):
        return {"type": "null"}
    schema = schema_of(hint)
    closed = {each.__name__: each for each in _closed(hint, set())}
    for name, definition in schema.get("$defs", {}).items():
        if name in closed and "properties" in definition:
            definition["additionalProperties"] = False
            if not is_typeddict(closed[name]):
                definition["required"] = sorted(definition["properties"])
    return schema


def _closed(hint: Any, seen: set[int]) -> set[type]:
    """The classes in an annotation whose fields are all that there is."""
    if id(hint) in seen:
        return set()
    seen.add(id(hint))
    found: set[type] = set()
    inner = list(getattr(hint, "__args__", ()))
    if isinstance(hint, type) and (
        dataclasses.is_dataclass(hint) or is_typeddict(hint) or _is_whole_struct(hint)
    ):
        found.add(hint)
        inner += _hints(hint).values()
    return found.union(*(_closed(each, seen) for each in inner))


def _is_whole_struct(hint: type) -> bool:
    """Whether it is a struct that writes all its fields."""
    return issubclass(hint, msgspec.Struct) and not hint.__struct_config__.omit_defaults
