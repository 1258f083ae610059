"""The types of values, and whether a type holds a value: what the tests of soundness compare."""

from __future__ import annotations

from typing import Any

from perdure.compiler.runtime import Duration, Timestamp
from perdure.compiler.runtime.values import BoolKey, TypeValue, Uint
from perdure.compiler.runtime.values import Optional as OptionalValue
from perdure.dsl.types.kinds import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    List,
    Map,
    Object,
    Optional,
    Type,
    join,
    list_of,
    map_of,
    members,
    optional_of,
)

_SIMPLE = {
    type(None): NULL,
    bool: BOOL,
    int: INT,
    Uint: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
    Timestamp: TIMESTAMP,
    Duration: DURATION,
    TypeValue: TYPE,
    BoolKey: BOOL,
}


def type_of_value(value: Any) -> Type:
    """The narrowest type of a run-time value."""
    if type(value) is list:
        return list_of(join(*map(type_of_value, value)))
    if type(value) is dict:
        return map_of(join(*map(type_of_value, value)), join(*map(type_of_value, value.values())))
    if type(value) is OptionalValue:
        return optional_of(type_of_value(value.value) if value.present else join())
    return _SIMPLE[type(value)]


def holds(kind: Type, value: Any) -> bool:
    """Whether a value is of a type."""
    return any(_holds(each, value) for each in members(kind))


def _holds(kind: Any, value: Any) -> bool:
    match kind:
        case List(item):
            return type(value) is list and all(holds(item, each) for each in value)
        case Map(key, element):
            return type(value) is dict and all(
                holds(key, name) and holds(element, each) for name, each in value.items()
            )
        case Object(fields, required, rest):
            return (
                type(value) is dict
                and required <= value.keys()
                and all(
                    holds(fields[name], each) if name in fields else rest is not None and holds(rest, each)
                    for name, each in value.items()
                )
            )
        case Optional(inner):
            return type(value) is OptionalValue and (not value.present or holds(inner, value.value))
        case _:
            return kind in (DYN, _SIMPLE.get(type(value)))
