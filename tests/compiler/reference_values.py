"""The values of the reference evaluator: pairs of a type's name and a content."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from perdure.compiler.runtime import Duration, Timestamp
from perdure.compiler.runtime.values import BoolKey, Optional, TypeValue, Uint

Value = tuple[str, Any]

NUMERIC = ("int", "uint", "double")
SECOND = 10**9


class Fail(Exception):
    """The evaluation fails with an error of this kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def value_of(given: Any) -> Value:
    """What the run time or JSON has, as a value."""
    match given:
        case None:
            return ("null", None)
        case bool():
            return ("bool", given)
        case Uint():
            return ("uint", int(given))
        case int():
            return ("int", given)
        case float():
            return ("double", given)
        case str():
            return ("string", given)
        case bytes():
            return ("bytes", given)
        case list():
            return ("list", [value_of(item) for item in given])
        case dict():
            return ("map", [(value_of(key), value_of(item)) for key, item in given.items()])
        case BoolKey():
            return ("bool", given.value)
        case Timestamp():
            return ("timestamp", given.ns)
        case Duration():
            return ("duration", given.ns)
        case TypeValue():
            return ("type", given.name)
        case Optional():
            return ("optional", value_of(given.value) if given.present else None)
        case _:
            raise AssertionError(f"a {type(given).__name__} is no value")


def same(a: Value, b: Value) -> bool:
    """Whether two values are of one type and one content; NaN is NaN, and the order of maps is nothing."""
    if a[0] != b[0]:
        return False
    match a[0]:
        case "list":
            return len(a[1]) == len(b[1]) and all(same(x, y) for x, y in zip(a[1], b[1], strict=True))
        case "map":
            pairs = list(b[1])
            return len(a[1]) == len(pairs) and all(
                any(same(key, k) and same(item, i) for k, i in pairs) for key, item in a[1]
            )
        case "optional":
            return (a[1] is None) is (b[1] is None) and (a[1] is None or same(a[1], b[1]))
        case "double":
            return repr(a[1]) == repr(b[1])
        case _:
            return bool(a[1] == b[1])


def kind(*values: Value) -> str:
    """The types of operands, with spaces between."""
    return " ".join(value[0] for value in values)


def need(name: str, value: Value) -> Any:
    """The content of a value that must be of this type."""
    if value[0] != name:
        raise Fail("no_overload")
    return value[1]


def int64(number: int) -> Value:
    """An int, if it is in range."""
    if not -(2**63) <= number < 2**63:
        raise Fail("overflow")
    return ("int", number)


def uint64(number: int) -> Value:
    """A uint, if it is in range."""
    if not 0 <= number < 2**64:
        raise Fail("overflow")
    return ("uint", number)


def make_duration(ns: int) -> Value:
    """A duration, if it is in range."""
    if not -(2**63) <= ns < 2**63:
        raise Fail("overflow")
    return ("duration", ns)


def make_timestamp(ns: int) -> Value:
    """A timestamp, if it is in the years 1 to 9999."""
    if not -62135596800 * SECOND <= ns < 253402300800 * SECOND:
        raise Fail("overflow")
    return ("timestamp", ns)


def real(value: Value) -> float:
    """An int or double as a double, for arithmetic."""
    if value[0] == "int":
        return float(int64(value[1])[1])
    number: float = value[1]
    return number


def exact(value: Value) -> Fraction | float:
    """A number that compares exactly."""
    if value[0] == "double" and not math.isfinite(value[1]):
        return float(value[1])
    return Fraction(value[1])


def equal(a: Value, b: Value) -> bool:
    """``a == b``."""
    if a[0] in NUMERIC and b[0] in NUMERIC:
        return exact(a) == exact(b)
    if a[0] != b[0]:
        return False
    match a[0]:
        case "list":
            return len(a[1]) == len(b[1]) and all(equal(x, y) for x, y in zip(a[1], b[1], strict=True))
        case "map":
            if len(a[1]) != len(b[1]):
                return False
            pairs = [(item, find(b, key)) for key, item in a[1]]
            return all(other is not None and equal(item, other) for item, other in pairs)
        case "optional":
            if a[1] is None or b[1] is None:
                return a[1] is b[1]
            return equal(a[1], b[1])
        case _:
            return bool(a[1] == b[1])


def find(target: Value, key: Value) -> Value | None:
    """What a map has under a key."""
    if key[0] not in (*NUMERIC, "string", "bool"):
        return None
    found: Value | None = next((item for known, item in target[1] if equal(known, key)), None)
    return found


def compare(a: Value, b: Value) -> str:
    """``<``, ``=`` or ``>``, or nothing for NaN; values that have no order fail."""
    numbers = a[0] in NUMERIC and b[0] in NUMERIC
    if not numbers and (a[0] != b[0] or a[0] not in ("string", "bytes", "bool", "timestamp", "duration")):
        raise Fail("no_overload")
    x, y = (exact(a), exact(b)) if numbers else (a[1], b[1])
    return "<" if x < y else ">" if x > y else "=" if x == y else ""


def sorted_keys(target: Value) -> list[Value]:
    """The keys of a map in the order in which it is walked: false, true, numbers, texts."""
    ranks = {"bool": 0, "int": 1, "uint": 1, "string": 2}
    keys: list[Value] = [key for key, _ in target[1]]
    return sorted(keys, key=lambda key: (ranks[key[0]], key[1]))
