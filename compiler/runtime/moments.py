"""The parts of timestamps and durations, and the time of the turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from perdure.compiler.runtime.errors import Budget, EvalError
from perdure.compiler.runtime.values import no_overload
from perdure.dsl.expr.times import SECOND, Duration, Timestamp, find_zone

_Reader = Callable[[datetime], int]


def now(environment: Any) -> Timestamp:
    """``now()``: the recorded time of the turn."""
    return Timestamp(environment.now_us * 1000)


def uuid(environment: Any, label: Any) -> str:
    """``uuid(label)``: derived by the environment from the execution, the step and the label."""
    if type(label) is not str:
        no_overload("uuid", label, hint="write string(...) around it")
    return str(environment.uuid(label))


def _local(name: str, value: Any, zone: Any) -> datetime:
    if type(value) is not Timestamp or type(zone) is not str:
        no_overload(name, value, *([] if zone == "UTC" else [zone]))
    try:
        return value.local(find_zone(zone))
    except OverflowError:
        raise EvalError("cel.overflow", "the local time is outside of the years 1 to 9999") from None
    except ValueError as error:
        raise EvalError("cel.convert", str(error)) from None


def _accessor(name: str, read: _Reader, unit: int = 0, modulus: int = 0) -> Callable[..., int]:
    """A part of a timestamp's local time; with ``unit``, also a duration's whole number of units."""

    def accessor(budget: Budget, value: Any, zone: Any = "UTC") -> int:
        if unit and type(value) is Duration and zone == "UTC":
            whole = abs(value.ns) // unit
            whole = whole % modulus if modulus else whole
            return -whole if value.ns < 0 else whole
        return read(_local(name, value, zone))

    return accessor


METHODS: dict[str, Callable[..., Any]] = {
    "getFullYear": _accessor("getFullYear", lambda t: t.year),
    "getMonth": _accessor("getMonth", lambda t: t.month - 1),
    "getDate": _accessor("getDate", lambda t: t.day),
    "getDayOfMonth": _accessor("getDayOfMonth", lambda t: t.day - 1),
    "getDayOfWeek": _accessor("getDayOfWeek", lambda t: t.isoweekday() % 7),
    "getDayOfYear": _accessor("getDayOfYear", lambda t: t.timetuple().tm_yday - 1),
    "getHours": _accessor("getHours", lambda t: t.hour, 3600 * SECOND),
    "getMinutes": _accessor("getMinutes", lambda t: t.minute, 60 * SECOND),
    "getSeconds": _accessor("getSeconds", lambda t: t.second, SECOND),
    "getMilliseconds": _accessor("getMilliseconds", lambda t: t.microsecond // 1000, SECOND // 1000, 1000),
}
