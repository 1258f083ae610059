"""The values that JSON does not have."""

from __future__ import annotations

from typing import Any, NoReturn

from perdure.compiler.runtime.errors import EvalError
from perdure.dsl.expr.times import Duration, Timestamp


class Uint(int):
    """A uint64. Equal to the int of the same value, as in CEL, and the same map key."""

    __slots__ = ()


class TypeValue:
    """A type as a value, known by its name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"TypeValue({self.name!r})"


class BoolKey:
    """A bool as a map key: Python's True would be the same key as 1."""

    __slots__ = ("value",)

    def __init__(self, value: bool) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"BoolKey({self.value!r})"


TRUE_KEY, FALSE_KEY = BoolKey(True), BoolKey(False)


class Optional:
    """A value or nothing. Selection goes through it and gives an optional again."""

    __slots__ = ("present", "value")

    def __init__(self, present: bool, value: Any = None) -> None:
        self.present = present
        self.value = value

    def __getitem__(self, field: str) -> Optional:
        return optional_select(self, field)

    def __repr__(self) -> str:
        return f"Optional({self.value!r})" if self.present else "Optional()"


NONE = Optional(False)

_TYPE_NAMES: dict[type, str] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    TypeValue: "type",
    Optional: "optional_type",
}
_SHORT_NAMES = {
    "null_type": "null",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
    "optional_type": "optional",
}


def type_name(value: Any) -> str:
    """The name of the value's CEL type."""
    return _TYPE_NAMES[type(value)]


def describe(value: Any) -> str:
    """The type for an error message."""
    name = _TYPE_NAMES.get(type(value), "value of an unknown type")
    return _SHORT_NAMES.get(name, name)


def a_type(value: Any) -> str:
    """The type with its article, for a sentence."""
    name = describe(value)
    if value is None:
        return name
    return f"an {name}" if name[0] in "aio" else f"a {name}"


def no_overload(what: str, *values: Any, hint: str | None = None) -> NoReturn:
    """Raise the error of a function or operator that does not take values of these types."""
    types = ", ".join(describe(value) for value in values)
    if hint is None and any(isinstance(value, Optional) for value in values):
        hint = "take the value out of the optional with .orValue(...)"
    raise EvalError("cel.no_overload", f"{what} does not take ({types})", hint)


def map_key(value: Any) -> Any:
    """``value`` as the key of a Python dict; raises EvalError if it can be none."""
    kind = type(value)
    if kind is str or kind is int or kind is Uint:
        return value
    if kind is bool:
        return TRUE_KEY if value else FALSE_KEY
    raise EvalError("cel.no_overload", f"{a_type(value)} cannot be the key of a map")


def lookup_key(value: Any) -> Any:
    """``value`` as a key to look up: also a whole double; None, which is no key, for all else."""
    kind = type(value)
    if kind is str or kind is int or kind is Uint or kind is float:
        return value
    if kind is bool:
        return TRUE_KEY if value else FALSE_KEY
    return None


def _order(key: Any) -> tuple[int, Any]:
    if type(key) is str:
        return 2, key
    if type(key) is BoolKey:
        return 0, key.value
    return 1, key


def sorted_keys(value: dict[Any, Any]) -> list[Any]:
    """The keys in the one order that maps are walked in: false, true, numbers, strings by code point."""
    try:
        keys = sorted(value)
    except TypeError:
        return [key.value if type(key) is BoolKey else key for key in sorted(value, key=_order)]
    return [key.value for key in keys] if keys and type(keys[0]) is BoolKey else keys


def sorted_items(value: dict[Any, Any]) -> list[tuple[Any, Any]]:
    """Keys and values in that order."""
    return [(key, value[map_key(key)]) for key in sorted_keys(value)]


def optional_select(value: Any, field: str) -> Optional:
    """``value.?field``."""
    if type(value) is dict:
        return Optional(True, value[field]) if field in value else NONE
    if type(value) is Optional:
        return optional_select(value.value, field) if value.present else NONE
    no_overload(f".?{field}", value)
