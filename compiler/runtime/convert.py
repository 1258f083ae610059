"""Conversions between types. Text to number is strict: Python's int() and float() take far more."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from perdure.compiler.runtime.errors import Budget, EvalError, made_text, overflow
from perdure.compiler.runtime.operators import checked_int, checked_uint, real
from perdure.compiler.runtime.values import TypeValue, Uint, describe, no_overload, type_name
from perdure.dsl.expr.times import SECOND, Duration, Timestamp, parse_duration, parse_timestamp

_INT = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SPECIAL = {
    "NaN": math.nan,
    "Inf": math.inf,
    "+Inf": math.inf,
    "-Inf": -math.inf,
    "Infinity": math.inf,
    "+Infinity": math.inf,
    "-Infinity": -math.inf,
}
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def _cannot(value: Any, to: str, why: str = "") -> EvalError:
    return EvalError("cel.convert", f"this {describe(value)} cannot become {to}{': ' + why if why else ''}")


def to_int(budget: Budget, value: Any) -> int:
    """``int(value)``; a timestamp gives seconds since the epoch."""
    match value:
        case bool():
            pass
        case int():
            return checked_int(int(value))
        case float():
            if not -(2.0**63) < value < 2.0**63:
                overflow("the double as an int")
            return int(value)
        case str():
            if not _INT.fullmatch(value):
                raise _cannot(value, "an int")
            return checked_int(int(value))
        case Timestamp():
            return value.ns // SECOND
        case Duration():
            no_overload("int", value, hint="write d.getSeconds() or d.getMilliseconds()")
        case _:
            pass
    no_overload("int", value)


def to_uint(budget: Budget, value: Any) -> Uint:
    """``uint(value)``."""
    match value:
        case bool():
            pass
        case int():
            return checked_uint(int(value))
        case float():
            if not 0 <= value < 2.0**64:
                overflow("the double as a uint")
            return Uint(value)
        case str():
            if not _INT.fullmatch(value) or value[0] == "-":
                raise _cannot(value, "a uint")
            return checked_uint(int(value))
        case _:
            pass
    no_overload("uint", value)


def to_double(budget: Budget, value: Any) -> float:
    """``double(value)``."""
    match value:
        case bool():
            pass
        case Uint():
            return float(int(value))
        case int():
            return real(value)
        case float():
            return value
        case str():
            if value in _SPECIAL:
                return _SPECIAL[value]
            if len(value) > 400 or not _DOUBLE.fullmatch(value):
                raise _cannot(value, "a double")
            number = float(value)
            if math.isinf(number):
                overflow("the text as a double")
            return number
        case _:
            pass
    no_overload("double", value)


def double_text(value: float) -> str:
    """The shortest digits that read back, as ECMAScript writes numbers."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    if 1e-6 <= abs(value) < 1e21:
        text = repr(value)
        if "e" in text:
            text = format(Decimal(text), "f")
        return text.removesuffix(".0")
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def to_string(budget: Budget, value: Any) -> str:
    """``string(value)``."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return int_text(value)
        case float():
            return double_text(value)
        case Timestamp() | Duration():
            return value.text()
        case bytes():
            made_text(budget, len(value))
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise _cannot(value, "a string", "not UTF-8") from None
        case _:
            pass
    no_overload("string", value, hint="write json.marshal(...) for its JSON text")


def int_text(value: int) -> str:
    """Decimal digits; raises EvalError for more than Python writes."""
    if value.bit_length() > 10_000:
        overflow("an integer of the input")
    return int.__repr__(value)


def to_bytes(budget: Budget, value: Any) -> bytes:
    """``bytes(value)``."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        made_text(budget, len(value))
        return encoded(value)
    no_overload("bytes", value)


def encoded(value: str) -> bytes:
    """UTF-8; raises EvalError for lone surrogates, which no text should have."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise _cannot(value, "UTF-8 text", "it has a lone surrogate") from None


def to_bool(budget: Budget, value: Any) -> bool:
    """``bool(value)``."""
    if type(value) is bool:
        return value
    if type(value) is str:
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        raise _cannot(value, "a bool")
    no_overload("bool", value)


def to_timestamp(budget: Budget, value: Any) -> Timestamp:
    """``timestamp(value)`` of RFC 3339 text or of seconds since the epoch."""
    try:
        match value:
            case Timestamp():
                return value
            case str():
                return parse_timestamp(value)
            case int() if type(value) is int:
                return Timestamp(value * SECOND)
            case _:
                pass
    except OverflowError as error:
        raise EvalError("cel.overflow", str(error)) from None
    except ValueError as error:
        raise _cannot(value, "a timestamp", str(error)) from None
    no_overload("timestamp", value)


def to_duration(budget: Budget, value: Any) -> Duration:
    """``duration(value)`` of text such as ``1h30m``."""
    try:
        match value:
            case Duration():
                return value
            case str():
                return parse_duration(value)
            case _:
                pass
    except OverflowError as error:
        raise EvalError("cel.overflow", str(error)) from None
    except ValueError as error:
        raise _cannot(value, "a duration", str(error)) from None
    no_overload(
        "duration", value, hint="write seconds(n) for a number" if type(value) in (int, float) else None
    )


def seconds(budget: Budget, value: Any) -> Duration:
    """``seconds(number)``, cut to whole nanoseconds."""
    if type(value) is int:
        ns = value * SECOND
    elif type(value) is float and math.isfinite(value):
        ns = int(value * SECOND) if abs(value) < 1e10 else int(value) * SECOND
    else:
        no_overload("seconds", value)
    try:
        return Duration(ns)
    except OverflowError as error:
        raise EvalError("cel.overflow", str(error)) from None


def type_of(budget: Budget, value: Any) -> TypeValue:
    """``type(value)``."""
    return TypeValue(type_name(value))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bool": to_bool,
    "bytes": to_bytes,
    "double": to_double,
    "duration": to_duration,
    "int": to_int,
    "seconds": seconds,
    "string": to_string,
    "timestamp": to_timestamp,
    "type": type_of,
    "uint": to_uint,
}
