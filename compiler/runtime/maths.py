"""The ``math`` functions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from perdure.compiler.runtime.errors import Budget, EvalError, charge
from perdure.compiler.runtime.operators import NUMBERS, checked_int, less, real
from perdure.compiler.runtime.values import Uint, no_overload
from perdure.dsl.expr.literals import UINT_MAX


def _extreme(name: str, values: tuple[Any, ...], better: Callable[[Any, Any], bool]) -> Any:
    items = values[0] if len(values) == 1 and type(values[0]) is list else list(values)
    if not items:
        raise EvalError("cel.index", f"{name} of an empty list")
    for item in items:
        if type(item) not in NUMBERS:
            no_overload(name, item)
    return functools.reduce(lambda best, item: item if better(item, best) else best, items)


def greatest(budget: Budget, *values: Any) -> Any:
    """``math.greatest(...)`` of numbers or of one list of them; the first of equals."""
    charge(budget, len(values[0]) if type(values[0]) is list else 0)
    return _extreme("math.greatest", values, lambda a, b: less(budget, b, a))


def least(budget: Budget, *values: Any) -> Any:
    """``math.least(...)`` of numbers or of one list of them; the first of equals."""
    charge(budget, len(values[0]) if type(values[0]) is list else 0)
    return _extreme("math.least", values, lambda a, b: less(budget, a, b))


def _rounding(name: str, convert: Callable[[float], float]) -> Callable[[Budget, Any], float]:
    """A function that takes ints too: writers of JSON drop the ``.0`` of a whole number."""

    def rounded(budget: Budget, value: Any) -> float:
        if type(value) not in (int, float):
            no_overload(name, value)
        number = real(value)
        # A double of 2**52 or more is whole; NaN and infinities stay.
        if not abs(number) < 2.0**52:
            return number
        return math.copysign(convert(number), number)

    return rounded


def _half_away(number: float) -> float:
    whole = math.floor(abs(number))
    return math.copysign(whole + (abs(number) - whole >= 0.5), number)


def absolute(budget: Budget, value: Any) -> Any:
    """``math.abs(value)``."""
    if type(value) is int:
        return checked_int(abs(value))
    if type(value) is float or type(value) is Uint:
        return abs(value) if type(value) is float else value
    no_overload("math.abs", value)


def sign(budget: Budget, value: Any) -> Any:
    """``math.sign(value)``, of the type of the value."""
    if type(value) is float:
        return value if math.isnan(value) or value == 0 else math.copysign(1.0, value)
    if type(value) is int or type(value) is Uint:
        return type(value)((value > 0) - (value < 0))
    no_overload("math.sign", value)


def _test(name: str, test: Callable[[float], bool]) -> Callable[[Budget, Any], bool]:
    def tested(budget: Budget, value: Any) -> bool:
        if type(value) not in (int, float):
            no_overload(name, value)
        return test(real(value))

    return tested


def sqrt(budget: Budget, value: Any) -> float:
    """``math.sqrt(value)``; NaN for negative numbers."""
    if type(value) not in NUMBERS:
        no_overload("math.sqrt", value)
    number = float(value) if type(value) is Uint else real(value)
    return math.sqrt(number) if number >= 0 else math.nan


def _bitwise(name: str, operate: Callable[[int, int], int]) -> Callable[[Budget, Any, Any], Any]:
    def operated(budget: Budget, a: Any, b: Any) -> Any:
        if type(a) is int and type(b) is int:
            return operate(checked_int(a), checked_int(b))
        if type(a) is Uint and type(b) is Uint:
            return Uint(operate(int(a), int(b)))
        no_overload(name, a, b)

    return operated


def bit_not(budget: Budget, value: Any) -> Any:
    """``math.bitNot(value)``."""
    if type(value) is int:
        return ~checked_int(value)
    if type(value) is Uint:
        return Uint(int(value) ^ UINT_MAX)
    no_overload("math.bitNot", value)


def _shift(name: str, value: Any, places: Any, left: bool) -> Any:
    """Shift 64 bits; the sign bit moves too and zeros come in, as upstream has it."""
    if type(value) not in (int, Uint) or type(places) is not int:
        no_overload(name, value, places)
    if places < 0:
        raise EvalError("cel.index", f"{name} takes no negative number of places")
    bits = (int(value) if type(value) is Uint else checked_int(value)) & UINT_MAX
    # Python shifts by any number of places; 64 or more leave nothing here.
    places = min(places, 64)
    bits = bits << places & UINT_MAX if left else bits >> places
    if type(value) is Uint:
        return Uint(bits)
    return bits - (1 << 64) if bits >> 63 else bits


def shift_left(budget: Budget, value: Any, places: Any) -> Any:
    """``math.bitShiftLeft(value, places)``."""
    return _shift("math.bitShiftLeft", value, places, True)


def shift_right(budget: Budget, value: Any, places: Any) -> Any:
    """``math.bitShiftRight(value, places)``."""
    return _shift("math.bitShiftRight", value, places, False)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "math.abs": absolute,
    "math.bitAnd": _bitwise("math.bitAnd", lambda a, b: a & b),
    "math.bitNot": bit_not,
    "math.bitOr": _bitwise("math.bitOr", lambda a, b: a | b),
    "math.bitShiftLeft": shift_left,
    "math.bitShiftRight": shift_right,
    "math.bitXor": _bitwise("math.bitXor", lambda a, b: a ^ b),
    "math.ceil": _rounding("math.ceil", math.ceil),
    "math.floor": _rounding("math.floor", math.floor),
    "math.greatest": greatest,
    "math.isFinite": _test("math.isFinite", math.isfinite),
    "math.isInf": _test("math.isInf", math.isinf),
    "math.isNaN": _test("math.isNaN", math.isnan),
    "math.least": least,
    "math.round": _rounding("math.round", _half_away),
    "math.sign": sign,
    "math.sqrt": sqrt,
    "math.trunc": _rounding("math.trunc", math.trunc),
}
