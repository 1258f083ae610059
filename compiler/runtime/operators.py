"""CEL's operators on values of any type.

Python's own operators are used only where the types are known: they take bools for numbers, compare
containers without a limit, and round division down.
"""

from __future__ import annotations

import math
from typing import Any

from perdure.compiler.runtime.errors import Budget, EvalError, charge, check_items, made_text, overflow
from perdure.compiler.runtime.values import (
    NONE,
    Optional,
    TypeValue,
    Uint,
    a_type,
    describe,
    lookup_key,
    no_overload,
    optional_select,
)
from perdure.dsl.expr.literals import INT_MAX, INT_MIN, UINT_MAX
from perdure.dsl.expr.times import Duration, Timestamp

NUMBERS = frozenset({int, float, Uint})
_REALS = frozenset({int, float})
_ORDERED = frozenset({int, float, Uint, str, bytes, bool})
_TOP = 2.0**63
_TIMES = frozenset({Timestamp, Duration})


def checked_int(value: int) -> int:
    """``value`` if it is an int64; raises EvalError."""
    if INT_MIN <= value <= INT_MAX:
        return value
    overflow()


def checked_uint(value: int) -> Uint:
    """``value`` as a uint64; raises EvalError."""
    if 0 <= value <= UINT_MAX:
        return Uint(value)
    overflow()


def real(value: int | float) -> float:
    """An int or double as a double."""
    return value if type(value) is float else float(checked_int(value))  # type: ignore[arg-type]


def _moment(kind: type[Timestamp | Duration], ns: int) -> Any:
    try:
        return kind(ns)
    except OverflowError as error:
        raise EvalError("cel.overflow", str(error)) from None


def add(budget: Budget, a: Any, b: Any) -> Any:
    """``a + b``."""
    left, right = type(a), type(b)
    if left is int and right is int:
        return checked_int(a + b)
    if left in _REALS and right in _REALS:
        return real(a) + real(b)
    if left is right:
        if left is str or left is bytes:
            made_text(budget, len(a) + len(b))
            return a + b
        if left is list:
            check_items(len(a) + len(b))
            charge(budget, (len(a) + len(b)) // 64 + 1)
            return a + b
        if left is Uint:
            return checked_uint(int(a) + int(b))
        if left is Duration:
            return _moment(Duration, a.ns + b.ns)
    if left in _TIMES and right in _TIMES and left is not right:
        return _moment(Timestamp, a.ns + b.ns)
    hint = "write string(...) around the other value" if str in (left, right) else None
    no_overload("+", a, b, hint=hint)


def subtract(budget: Budget, a: Any, b: Any) -> Any:
    """``a - b``."""
    left, right = type(a), type(b)
    if left is int and right is int:
        return checked_int(a - b)
    if left in _REALS and right in _REALS:
        return real(a) - real(b)
    if left is Uint and right is Uint:
        return checked_uint(int(a) - int(b))
    if left in _TIMES and right in _TIMES and (left is right or left is Timestamp):
        return _moment(Duration if left is right else Timestamp, a.ns - b.ns)
    no_overload("-", a, b)


def multiply(budget: Budget, a: Any, b: Any) -> Any:
    """``a * b``."""
    left, right = type(a), type(b)
    if left is int and right is int:
        return checked_int(a * b)
    if left in _REALS and right in _REALS:
        return real(a) * real(b)
    if left is Uint and right is Uint:
        return checked_uint(int(a) * int(b))
    no_overload("*", a, b)


def _divided(a: float, b: float) -> float:
    """IEEE 754 division: nothing is raised for a zero divisor."""
    if b:
        return a / b
    if not a or math.isnan(a) or math.isnan(b):
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def divide(budget: Budget, a: Any, b: Any) -> Any:
    """``a / b``, for ints truncated towards zero."""
    left, right = type(a), type(b)
    if (left is int and right is int) or (left is Uint and right is Uint):
        if not b:
            raise EvalError("cel.div_zero", "division by zero")
        quotient = abs(int(a)) // abs(int(b))
        if left is Uint:
            return Uint(quotient)
        checked_int(a), checked_int(b)
        return checked_int(quotient if (a < 0) is (b < 0) else -quotient)
    if left in _REALS and right in _REALS:
        return _divided(real(a), real(b))
    no_overload("/", a, b)


def modulo(budget: Budget, a: Any, b: Any) -> Any:
    """``a % b``, with the sign of ``a``; not for doubles."""
    left, right = type(a), type(b)
    if (left is int and right is int) or (left is Uint and right is Uint):
        if not b:
            raise EvalError("cel.div_zero", "modulus by zero")
        rest = abs(int(a)) % abs(int(b))
        if left is Uint:
            return Uint(rest)
        checked_int(a), checked_int(b)
        return -rest if a < 0 else rest
    no_overload("%", a, b)


def negate(budget: Budget, a: Any) -> Any:
    """``-a``."""
    if type(a) is int:
        return checked_int(-a)
    if type(a) is float:
        return -a
    no_overload("-", a)


def _operands(budget: Budget, symbol: str, a: Any, b: Any) -> tuple[Any, Any]:
    """Two Python values that order as ``a`` and ``b`` do."""
    left, right = type(a), type(b)
    if left is right and left in _ORDERED:
        if left is str or left is bytes:
            charge(budget, min(len(a), len(b)) // 64)
        return a, b
    if left in NUMBERS and right in NUMBERS:
        # Upstream orders the greatest int and 2.0**63 as equal; all else is compared exactly.
        if (left is int and a == INT_MAX and b == _TOP) or (right is int and b == INT_MAX and a == _TOP):
            return 0, 0
        return a, b
    if left is right and left in _TIMES:
        return a.ns, b.ns
    no_overload(symbol, a, b)


def less(budget: Budget, a: Any, b: Any) -> bool:
    """``a < b``."""
    x, y = _operands(budget, "<", a, b)
    return bool(x < y)


def less_equal(budget: Budget, a: Any, b: Any) -> bool:
    """``a <= b``."""
    x, y = _operands(budget, "<=", a, b)
    return bool(x <= y)


def greater(budget: Budget, a: Any, b: Any) -> bool:
    """``a > b``."""
    x, y = _operands(budget, ">", a, b)
    return bool(x > y)


def greater_equal(budget: Budget, a: Any, b: Any) -> bool:
    """``a >= b``."""
    x, y = _operands(budget, ">=", a, b)
    return bool(x >= y)


def equal(budget: Budget, a: Any, b: Any) -> bool:
    """``a == b``: false for values of different types, but numbers compare by value."""
    left, right = type(a), type(b)
    if left is right:
        if left is list:
            charge(budget, len(a))
            return len(a) == len(b) and all(equal(budget, x, y) for x, y in zip(a, b, strict=True))
        if left is dict:
            charge(budget, len(a))
            return len(a) == len(b) and all(key in b and equal(budget, a[key], b[key]) for key in a)
        if left is str or left is bytes:
            charge(budget, len(a) // 64)
            return bool(a == b)
        if left is Optional:
            return a.present is b.present and (not a.present or equal(budget, a.value, b.value))
        if left is TypeValue:
            return bool(a.name == b.name)
        return bool(a == b)
    return left in NUMBERS and right in NUMBERS and bool(a == b)


def not_equal(budget: Budget, a: Any, b: Any) -> bool:
    """``a != b``."""
    return not equal(budget, a, b)


def contains(budget: Budget, a: Any, b: Any) -> bool:
    """``a in b``: an element of a list or a key of a map."""
    kind = type(b)
    if kind is list:
        charge(budget, len(b))
        return any(equal(budget, a, item) for item in b)
    if kind is dict:
        key = lookup_key(a)
        return key is not None and key in b
    no_overload("in", a, b)


def _position(size: int, index: Any) -> int | None:
    """A list index as an int, None when out of range; raises EvalError for what is no index."""
    kind = type(index)
    if kind is float and index.is_integer():
        index = int(index)
    elif kind is not int and kind is not Uint:
        raise EvalError("cel.no_overload", f"a list is indexed by an int, not by {a_type(index)}")
    return int(index) if 0 <= index < size else None


def index(budget: Budget, a: Any, b: Any) -> Any:
    """``a[b]``."""
    kind = type(a)
    if kind is list:
        position = _position(len(a), b)
        if position is None:
            raise EvalError(
                "cel.index",
                f"index out of range: the list has {len(a)} items",
                "write xs[?i] for an optional",
            )
        return a[position]
    if kind is dict:
        key = lookup_key(b)
        if key is None or key not in a:
            raise EvalError(
                "cel.no_such_key",
                f"no such key, of type {describe(b)}, in a map of {len(a)}",
                "write m[?k] for an optional",
            )
        return a[key]
    if kind is Optional:
        return optional_index(budget, a, b)
    no_overload("[]", a, b)


def optional_index(budget: Budget, a: Any, b: Any) -> Optional:
    """``a[?b]``."""
    kind = type(a)
    if kind is list:
        position = _position(len(a), b)
        return NONE if position is None else Optional(True, a[position])
    if kind is dict:
        key = lookup_key(b)
        return Optional(True, a[key]) if key is not None and key in a else NONE
    if kind is Optional:
        return optional_index(budget, a.value, b) if a.present else NONE
    no_overload("[?]", a, b)


def has(value: Any, field: str) -> bool:
    """``has(value.field)``."""
    kind = type(value)
    if kind is dict:
        return field in value
    if kind is Optional:
        return bool(value.present and has(value.value, field))
    no_overload(f"has(.{field})", value)


def has_optional(value: Any, field: str) -> bool:
    """``has(value.?field)``."""
    return bool(optional_select(value, field).present)
