"""The types of the names that the engine gives: ``workflow``, ``error``, ``vars``, values of groups.

They are open where another rule says which fields there are, so that a mistake is said once.
"""

from __future__ import annotations

from collections.abc import Iterable

from perdure.dsl import model
from perdure.dsl.types.json_schema import type_of_json, type_of_schema
from perdure.dsl.types.kinds import (
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    NUMBER,
    STRING,
    TIMESTAMP,
    List,
    Map,
    Object,
    Type,
    join,
    list_of,
    map_of,
    object_of,
)

WORKFLOW = object_of(
    {
        **dict.fromkeys(("instance_id", "name", "version", "digest"), STRING),
        "generation": INT,
        "parent_id": join(STRING, NULL),
        "started_at": TIMESTAMP,
        "tags": map_of(STRING, STRING),
    },
    rest=DYN,
)
SCHEDULE = object_of({"time": TIMESTAMP})
STEP = object_of({"idempotency_key": STRING, "attempt": INT})
"""``step`` in ``compensate``."""


def error_of(data: Type) -> Type:
    """An error whose ``data`` is of a type."""
    fields = {
        "type": STRING,
        "message": STRING,
        "data": data,
        "step": join(STRING, NULL),
        "path": join(STRING, NULL),
        "attempt": INT,
        "cause": DYN,
        "compensation": DYN,
    }
    return object_of(fields, rest=DYN)


ERROR = error_of(DYN)


def caught(names: Iterable[str], declared: Iterable[model.ErrorDeclaration]) -> Type:
    """The type of ``error`` where errors of these names arrive: data may be left out of any of them."""
    schemas = {each.name: each.schema for each in declared if each.schema is not None}
    kinds = [type_of_schema(schemas[name]) if name in schemas else DYN for name in names]
    return error_of(join(NULL, *kinds)) if kinds else ERROR


def variable_type(variable: model.Variable) -> Type:
    """What a variable may hold: by its schema, else what is like its initial value."""
    if variable.schema is not None:
        return type_of_schema(variable.schema)
    return loosely(type_of_json(variable.initial))


def loosely(initial: Type) -> Type:
    """The type of what begins with a value: numbers of both kinds, any list, any map; null says nothing."""
    match initial:
        case List():
            return LIST
        case Map() | Object():
            return MAP
        case _ if initial == NULL:
            return DYN
        case _ if initial == INT:
            return NUMBER
        case _:
            return initial


def variables_type(variables: Iterable[model.Variable]) -> Type:
    """The type of ``vars``."""
    return object_of({each.name: variable_type(each) for each in variables}, rest=DYN)


COUNTERS = ("succeeded", "failed", "total")


def fan_out_type(step: model.FanOut, value: Type) -> Type:
    """The value of a fan_out whose body has a value of a type."""
    partial = step.on_failure != "fail_fast" or step.until is not None
    results = list_of(join(value, NULL) if partial else value)
    errors = list_of(object_of({"index": INT, "key": DYN, "error": ERROR}))
    fields: dict[str, Type] = {"results": results, "errors": errors, **dict.fromkeys(COUNTERS, INT)}
    return object_of(fields, rest=DYN)


def outcome_of(value: Type) -> Type:
    """An entry of a parallel that collects: the value of a branch, or its error."""
    return object_of({"value": join(value, NULL), "error": join(ERROR, NULL)}, rest=DYN)
