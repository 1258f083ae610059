"""From the value of an expression to what its YAML position needs."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from perdure.compiler.runtime.convert import double_text, int_text, to_string
from perdure.compiler.runtime.errors import MAX_TEXT, Budget, EvalError, LimitError, charge
from perdure.compiler.runtime.values import Optional, Uint, a_type, no_overload
from perdure.dsl.duration import parse_duration
from perdure.dsl.expr.literals import INT_MAX, INT_MIN
from perdure.dsl.expr.times import Duration, Timestamp, parse_timestamp

MAX_RESULT = 1 << 20
MAX_LEVELS = 64

Meter = list[int]
"""How many characters of JSON are still allowed, as its only item."""


class _Omit:
    """The value of a position that is left out."""

    __slots__ = ()


OMIT = _Omit()


def _spend(meter: Meter, size: int) -> None:
    meter[0] -= size
    if meter[0] < 0:
        raise LimitError(f"the result is longer than {MAX_RESULT} characters of JSON")


def _text_size(text: str) -> int:
    return len(text) + 3 if text.isascii() else len(text.encode("utf-8", "surrogatepass")) + 3


def _path(path: tuple[Any, ...]) -> str:
    if not path:
        return ""
    return " at " + "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" for step in path
    ).removeprefix(".")


def to_json(meter: Meter, value: Any, path: tuple[Any, ...] = (), depth: int = 0) -> Any:
    """``value`` as JSON values, sharing what is JSON already; optionals inside of containers are errors.

    Raises EvalError ``cel.result`` with the path of what JSON does not have, LimitError for too much.
    """
    kind = type(value)
    if kind is str:
        _spend(meter, _text_size(value))
        return value
    if kind is int:
        _spend(meter, value.bit_length() // 3 + 2)
        return value
    if kind is bool or value is None:
        _spend(meter, 6)
        return value
    if kind is list or kind is dict:
        if depth + len(path) >= MAX_LEVELS:
            raise LimitError(f"the result nests more than {MAX_LEVELS} levels deep")
        _spend(meter, 2)
        return _json_list(meter, value, path, depth) if kind is list else _json_map(meter, value, path, depth)
    return _json_other(meter, value, path)


def _json_list(meter: Meter, value: list[Any], path: tuple[Any, ...], depth: int) -> list[Any]:
    changed: list[Any] | None = None
    for position, item in enumerate(value):
        converted = to_json(meter, item, (*path, position), depth)
        if converted is not item and changed is None:
            changed = value[:position]
        if changed is not None:
            changed.append(converted)
    return value if changed is None else changed


def _json_map(meter: Meter, value: dict[Any, Any], path: tuple[Any, ...], depth: int) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key, item in value.items():
        if type(key) is not str:
            message = f"the map{_path(path)} has a key that is not text, which JSON does not have"
            raise EvalError("cel.result", message, "write string(...) around the key")
        _spend(meter, _text_size(key) + 1)
        converted = to_json(meter, item, (*path, key), depth)
        if converted is not item:
            changed[key] = converted
    return {**value, **changed} if changed else value


def _json_other(meter: Meter, value: Any, path: tuple[Any, ...]) -> Any:
    match value:
        case float():
            if not math.isfinite(value):
                raise EvalError(
                    "cel.result", f"the value{_path(path)} is {double_text(value)}, which JSON does not have"
                )
            _spend(meter, 20)
            return value
        case Uint():
            _spend(meter, 21)
            return int(value)
        case Timestamp() | Duration():
            text = value.text()
            _spend(meter, len(text) + 3)
            return text
        case bytes():
            _spend(meter, len(value) * 4 // 3 + 6)
            return base64.b64encode(value).decode()
        case Optional():
            raise EvalError(
                "cel.result", f"the value{_path(path)} is an optional", "write .orValue(...), or ?key: value"
            )
        case _:
            pass
    raise EvalError("cel.result", f"the value{_path(path)} is {a_type(value)}, which JSON does not have")


def json_leaf(meter: Meter, value: Any, depth: int) -> Any:
    """A leaf of a YAML structure as JSON; ``OMIT`` for an optional without a value."""
    if type(value) is Optional:
        return to_json(meter, value.value, (), depth) if value.present else OMIT
    return to_json(meter, value, (), depth)


def json_measured(meter: Meter, value: Any, depth: int) -> Any:
    """A leaf that is JSON already: only containers are counted."""
    if type(value) is list or type(value) is dict:
        return to_json(meter, value, (), depth)
    return value


def json_whole(value: Any) -> Any:
    """The value of a whole YAML position as JSON."""
    if type(value) is Optional:
        value = _present(value)
    return to_json([MAX_RESULT], value)


def _present(value: Any) -> Any:
    """The value of an optional where one is needed."""
    if type(value) is not Optional:
        return value
    if value.present:
        return value.value
    raise EvalError("cel.result", "the optional has no value here", "write .orValue(...)")


def marshalled(budget: Budget, value: Any) -> str:
    """JSON text with sorted keys and no spaces."""
    plain = to_json([MAX_TEXT], value)
    return "".join(_pieces(budget, plain))


def _pieces(budget: Budget, value: Any) -> Iterator[str]:
    charge(budget, 1)
    if type(value) is dict:
        separator = "{"
        for key in sorted(value):
            yield f"{separator}{_quoted(key)}:"
            yield from _pieces(budget, value[key])
            separator = ","
        yield "}" if value else "{}"
    elif type(value) is list:
        separator = "["
        for item in value:
            yield separator
            yield from _pieces(budget, item)
            separator = ","
        yield "]" if value else "[]"
    else:
        yield _scalar(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is str:
        return _quoted(value)
    return int_text(value) if type(value) is int else repr(value)


def interpolated(value: Any) -> str:
    """The text of a value inside of text."""
    if type(value) is str:
        return value
    value = _present(value)
    if value is None or type(value) in (list, dict, bytes):
        hint = (
            "write .orValue(...) or a ? b : c for what may be null"
            if value is None
            else "write json.marshal(...)"
        )
        raise EvalError("cel.result", f"{a_type(value)} cannot stand inside of text", hint)
    return to_string([0], value)


def joined(parts: tuple[str, ...]) -> str:
    """The parts of a text put together."""
    text = "".join(parts)
    if len(text) > MAX_RESULT:
        raise LimitError(f"the text is longer than {MAX_RESULT} characters")
    return text


def _wrong(what: str, needed: str, value: Any, hint: str | None = None) -> EvalError:
    return EvalError(
        "cel.result", f"{what or 'the expression'} must give {needed}, not {a_type(value)}", hint
    )


def as_bool(value: Any, what: str) -> bool:
    """``value`` if it is a bool."""
    value = _present(value)
    if type(value) is bool:
        return value
    raise _wrong(what, "a bool", value, "compare it, as in x != null")


def as_list(value: Any, what: str) -> list[Any]:
    """``value`` if it is a list."""
    if type(value) is list:
        return value
    raise _wrong(what, "a list", value)


def as_int(value: Any, what: str) -> int:
    """``value`` if it is an int64."""
    value = _present(value)
    if type(value) is int or type(value) is Uint:
        if INT_MIN <= value <= INT_MAX:
            return int(value)
        raise EvalError(
            "cel.overflow", f"{what or 'the expression'} gives an integer that does not fit in 64 bits"
        )
    raise _wrong(what, "an int", value, "write int(...) around it" if type(value) is float else None)


def as_text(value: Any, what: str) -> str:
    """``value`` if it is a string."""
    value = _present(value)
    if type(value) is str:
        return value
    raise _wrong(what, "text", value, "write string(...) around it")


def as_duration(value: Any, what: str) -> int:
    """A duration, or text that reads as one, in microseconds, rounded up."""
    value = _present(value)
    if type(value) is Duration:
        return -(-value.ns // 1000)
    if type(value) is str:
        try:
            return parse_duration(value)
        except ValueError as error:
            why = str(error).replace("not a duration;", "this text is none;")
            raise EvalError("cel.result", f"{what or 'the expression'} must give a duration: {why}") from None
    hint = (
        "seconds or milliseconds? write seconds(n), or text such as 5s"
        if type(value) in (int, float)
        else None
    )
    raise _wrong(what, "a duration", value, hint)


def as_timestamp(value: Any, what: str) -> int:
    """A timestamp, or RFC 3339 text, in microseconds since the epoch."""
    value = _present(value)
    if type(value) is str:
        try:
            value = parse_timestamp(value)
        except (ValueError, OverflowError) as error:
            raise EvalError(
                "cel.result", f"{what or 'the expression'} must give a timestamp: {error}"
            ) from None
    if type(value) is Timestamp:
        return value.ns // 1000
    raise _wrong(
        what,
        "a timestamp",
        value,
        "write timestamp(n) for seconds since the epoch" if type(value) is int else None,
    )


def not_bool(value: Any, operator: str) -> None:
    """Raise for an operand that must be a bool."""
    no_overload(operator, value)


CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "bool": as_bool,
    "duration": as_duration,
    "int": as_int,
    "list": as_list,
    "text": as_text,
    "timestamp": as_timestamp,
}
