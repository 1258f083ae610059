"""The functions of the reference evaluator."""

from __future__ import annotations

import base64
import itertools
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

from tests.compiler.reference_values import (
    NUMERIC,
    SECOND,
    Fail,
    Value,
    compare,
    equal,
    find,
    int64,
    kind,
    make_duration,
    make_timestamp,
    need,
    real,
    uint64,
)

Arguments = list[Value]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def call(name: str, given: Arguments) -> Value:
    """``name(...)``."""
    return _FUNCTIONS[name](*given)


def method(name: str, given: Arguments) -> Value:
    """``given[0].name(...)``."""
    return _METHODS[name](*given)


def _boolean(test: Callable[..., Any]) -> Callable[..., Value]:
    return lambda *given: ("bool", bool(test(*given)))


# Conversions ------------------------------------------------------------------------------------------


def _int(value: Value) -> Value:
    match value:
        case ("int" | "uint", number):
            return int64(number)
        case ("double", number):
            # 2**63 itself, and what rounds to its negative, are out of range upstream.
            if math.isnan(number) or not -(2**63) < number < 2**63:
                raise Fail("overflow")
            return ("int", math.trunc(number))
        case ("string", text):
            if not re.fullmatch("[+-]?[0-9]+", text):
                raise Fail("convert")
            return int64(int(text))
        case ("timestamp", ns):
            return ("int", ns // SECOND)
        case _:
            raise Fail("no_overload")


def _uint(value: Value) -> Value:
    match value:
        case ("int" | "uint", number):
            return uint64(number)
        case ("double", number):
            if math.isnan(number) or not 0 <= number < 2**64:
                raise Fail("overflow")
            return ("uint", math.trunc(number))
        case ("string", text):
            if not re.fullmatch("[+]?[0-9]+", text):
                raise Fail("convert")
            return uint64(int(text))
        case _:
            raise Fail("no_overload")


def _double(value: Value) -> Value:
    match value:
        case ("double", _):
            return value
        case ("int" | "uint", number):
            return ("double", float(number))
        case ("string", text):
            if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
                raise Fail("convert")
            return ("double", float(text))
        case _:
            raise Fail("no_overload")


def text_of(value: Value) -> str:
    """``string(value)``."""
    match value:
        case ("string", text):
            return str(text)
        case ("bool", truth):
            return "true" if truth else "false"
        case ("int" | "uint", number):
            return str(number)
        case ("double", number):
            return _double_text(number)
        case ("duration", ns):
            return f"{'-' if ns < 0 else ''}{abs(ns) // SECOND}{_fraction(abs(ns) % SECOND)}s"
        case ("timestamp", ns):
            moment = _moment(ns)
            return f"{moment.year:04d}{moment:-%m-%dT%H:%M:%S}{_fraction(ns % SECOND)}Z"
        case ("bytes", octets):
            try:
                return str(octets.decode())
            except UnicodeDecodeError:
                raise Fail("convert") from None
        case _:
            raise Fail("no_overload")


def _double_text(number: float) -> str:
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    shortest = Decimal(repr(number)).normalize()
    if 1e-6 <= abs(number) < 1e21:
        return f"{shortest:f}"
    digits = "".join(map(str, shortest.as_tuple().digits))
    exponent = shortest.adjusted()
    rest = f".{digits[1:]}" if digits[1:] else ""
    return f"{'-' if number < 0 else ''}{digits[0]}{rest}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def _fraction(ns: int) -> str:
    return f".{ns:09d}".rstrip("0") if ns else ""


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=ns // SECOND)


def _bool(value: Value) -> Value:
    if value[0] == "bool":
        return value
    text = need("string", value)
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return ("bool", True)
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return ("bool", False)
    raise Fail("convert")


def _bytes(value: Value) -> Value:
    return value if value[0] == "bytes" else ("bytes", need("string", value).encode())


def _timestamp(value: Value) -> Value:
    match value:
        case ("timestamp", _):
            return value
        case ("int", seconds):
            return make_timestamp(seconds * SECOND)
        case ("string", text):
            found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", text.upper())
            if not found:
                raise Fail("convert")
            whole = (datetime.fromisoformat(found[1] + "Z") - _EPOCH) // timedelta(seconds=1)
            return make_timestamp(int((whole + Fraction(f"0{found[2] or ''}")) * SECOND))
        case _:
            raise Fail("no_overload")


def _duration(value: Value) -> Value:
    if value[0] == "duration":
        return value
    text = need("string", value)
    if text in ("0", "-0"):
        return ("duration", 0)
    if not re.fullmatch(r"-?(\d+(\.\d+)?[hms])+", text):
        raise Fail("convert")
    seconds = {"h": 3600, "m": 60, "s": 1}
    length = sum(Fraction(count) * seconds[unit] for count, unit in re.findall(r"([\d.]+)([hms])", text))
    return make_duration(int((-length if text[0] == "-" else length) * SECOND))


_TYPES = {
    "null": "null_type",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "optional": "optional_type",
}

# Texts ------------------------------------------------------------------------------------------------


def _place(text: str, index: Value) -> int:
    place: int = need("int", index)
    if not 0 <= place <= len(text):
        raise Fail("index")
    return place


def _char_at(text: Value, index: Value) -> Value:
    characters = need("string", text)
    place = _place(characters, index)
    return ("string", characters[place : place + 1])


def _substring(text: Value, start: Value, end: Value | None = None) -> Value:
    characters = need("string", text)
    for each in (start, end):
        if each is not None:
            need("int", each)
    first = _place(characters, start)
    last = len(characters) if end is None else _place(characters, end)
    if first > last:
        raise Fail("index")
    return ("string", characters[first:last])


def _index_of(where: Value, what: Value) -> Value:
    if where[0] == "list":
        return ("int", next((n for n, item in enumerate(where[1]) if equal(item, what)), -1))
    text, part = need("string", where), need("string", what)
    return ("int", next((n for n in range(len(text) + 1) if text[n:].startswith(part)), -1))


def _last_index_of(where: Value, what: Value) -> Value:
    if where[0] == "list":
        places = [n for n, item in enumerate(where[1]) if equal(item, what)]
    else:
        text, part = need("string", where), need("string", what)
        places = [n for n in range(len(text) + 1) if text[n:].startswith(part)]
    return ("int", places[-1] if places else -1)


def _ascii(change: Callable[[str], str]) -> Callable[[Value], Value]:
    return lambda text: (
        "string",
        "".join(change(each) if each.isascii() else each for each in need("string", text)),
    )


def _replace(text: Value, old: Value, new: Value) -> Value:
    pieces = _split(text, old)[1]
    if not need("string", old):  # nothing stands before, between and after all characters
        pieces = [("string", ""), *pieces, ("string", "")]
    return _join(("list", pieces), new)


def _split(text: Value, separator: Value) -> Value:
    characters, mark = need("string", text), need("string", separator)
    return ("list", [("string", part) for part in (characters.split(mark) if mark else characters)])


def _join(items: Value, separator: Value = ("string", "")) -> Value:
    need("string", separator)
    return ("string", separator[1].join(need("string", item) for item in need("list", items)))


def _reverse(value: Value) -> Value:
    if value[0] not in ("string", "list"):
        raise Fail("no_overload")
    return (value[0], value[1][::-1])


def _size(value: Value) -> Value:
    if value[0] not in ("string", "bytes", "list", "map"):
        raise Fail("no_overload")
    return ("int", len(value[1]))


# Lists ------------------------------------------------------------------------------------------------


def _ordered(keys: list[Value]) -> None:
    """Fail for values that cannot be put in an order; also for one that has none by itself."""
    for key in keys:
        compare(keys[0], key)


def sorted_by(items: list[Value], keys: list[Value]) -> Value:
    """The items in the order of their keys."""
    _ordered(keys)
    if any(key[0] == "double" and math.isnan(key[1]) for key in keys):
        raise Fail("no_overload")
    signs = {"<": -1, "=": 0, ">": 1}

    def sign(a: Value, b: Value) -> int:
        return signs[compare(a, b)]

    by_key = cmp_to_key(sign)
    pairs = sorted(zip(keys, items, strict=True), key=lambda pair: by_key(pair[0]))
    return ("list", [item for _, item in pairs])


def _slice(items: Value, start: Value, end: Value) -> Value:
    first, last, elements = need("int", start), need("int", end), need("list", items)
    if not 0 <= first <= last <= len(elements):
        raise Fail("index")
    return ("list", elements[first:last])


def _flatten(items: Value, depth: Value = ("int", 1)) -> Value:
    levels = need("int", depth)
    if levels < 0:
        raise Fail("index")
    result: list[Value] = []
    for item in need("list", items):
        if item[0] == "list" and levels:
            result += _flatten(item, ("int", levels - 1))[1]
        else:
            result.append(item)
    return ("list", result)


def _distinct(items: Value) -> Value:
    result: list[Value] = []
    for item in need("list", items):
        if not any(equal(item, known) for known in result):
            result.append(item)
    return ("list", result)


def _sum(items: Value) -> Value:
    from tests.compiler.reference import add  # the two modules are one evaluator

    elements = need("list", items)
    if any(item[0] not in (*NUMERIC, "duration") for item in elements):
        raise Fail("no_overload")
    total: Value | None = None
    for item in elements:
        total = item if total is None else add(total, item)
    return total or ("int", 0)


def _average(items: Value) -> Value:
    elements = need("list", items)
    if not elements:
        raise Fail("index")
    if any(item[0] not in ("int", "double") for item in elements):
        raise Fail("no_overload")
    total = 0.0
    for item in elements:
        total += real(item)
    return ("double", total / len(elements))


def _extreme(sign: str) -> Callable[[Value], Value]:
    def extreme(items: Value) -> Value:
        elements = need("list", items)
        if not elements:
            raise Fail("index")
        _ordered(elements)
        best: Value = elements[0]
        for item in elements[1:]:
            if compare(item, best) == sign:
                best = item
        return best

    return extreme


def _is_sorted(items: Value) -> bool:
    elements: list[Value] = need("list", items)
    _ordered(elements)
    return all(compare(a, b) in ("<", "=") for a, b in itertools.pairwise(elements))


def _end(place: int) -> Callable[[Value], Value]:
    return lambda items: ("optional", items[1][place] if need("list", items) else None)


def _zip(a: Value, b: Value) -> Value:
    one, two = need("list", a), need("list", b)
    if len(one) != len(two):
        raise Fail("index")
    return ("list", [("list", list(pair)) for pair in zip(one, two, strict=True)])


def _subset(a: Value, b: Value) -> bool:
    """Whether all of b is in a."""
    one, two = need("list", a), need("list", b)
    return all(any(equal(item, other) for other in one) for item in two)


def _merge(a: Value, b: Value) -> Value:
    need("map", a), need("map", b)
    old = [(key, other if (other := find(b, key)) is not None else value) for key, value in a[1]]
    return ("map", old + [(key, value) for key, value in b[1] if find(a, key) is None])


# Numbers ----------------------------------------------------------------------------------------------


def _numbers(given: tuple[Value, ...]) -> list[Value]:
    numbers: list[Value] = given[0][1] if len(given) == 1 and given[0][0] == "list" else list(given)
    if not numbers:
        raise Fail("index")
    if any(number[0] not in NUMERIC for number in numbers):
        raise Fail("no_overload")
    return numbers


def _whole(change: Callable[[float], float]) -> Callable[[Value], Value]:
    def rounded(value: Value) -> Value:
        if value[0] not in ("int", "double"):
            raise Fail("no_overload")
        number = real(value)
        if not math.isfinite(number):
            return ("double", number)
        return ("double", math.copysign(float(change(number)), number))

    return rounded


def _half_away_from_zero(number: float) -> float:
    return float(Decimal(number).to_integral_value("ROUND_HALF_UP"))


def _abs(value: Value) -> Value:
    match value:
        case ("int", number):
            return int64(abs(number))
        case ("uint" | "double", number):
            return (value[0], abs(number))
        case _:
            raise Fail("no_overload")


def _sign(value: Value) -> Value:
    if value[0] not in NUMERIC:
        raise Fail("no_overload")
    number = value[1]
    if number > 0:
        return (value[0], type(number)(1))
    return (value[0], type(number)(-1)) if number < 0 else value


def _bits(operate: Callable[[int, int], int]) -> Callable[[Value, Value], Value]:
    def operated(a: Value, b: Value) -> Value:
        if kind(a, b) not in ("int int", "uint uint"):
            raise Fail("no_overload")
        return (a[0], operate(a[1], b[1]))

    return operated


def _seconds(value: Value) -> Value:
    if value[0] not in ("int", "double") or not math.isfinite(value[1]):
        raise Fail("no_overload")
    return make_duration(int(value[1] * SECOND))


# Times ------------------------------------------------------------------------------------------------


def _part(read: Callable[[datetime], int], unit: int = 0) -> Callable[[Value], Value]:
    def part(value: Value) -> Value:
        if value[0] == "duration" and unit:
            return ("int", int(math.copysign(abs(value[1]) // unit, value[1])))
        return ("int", read(_moment(need("timestamp", value))))

    return part


# Optionals --------------------------------------------------------------------------------------------


def _of_non_zero(value: Value) -> Value:
    if value[0] == "null" or (value[0] == "optional" and value[1] is None):
        return ("optional", None)
    if value[0] not in ("optional", "timestamp", "type") and not value[1]:
        return ("optional", None)
    return ("optional", value)


def _value(optional: Value) -> Value:
    inner: Value | None = need("optional", optional)
    if inner is None:
        raise Fail("no_such_key")
    return inner


def _or(a: Value, b: Value) -> Value:
    need("optional", a), need("optional", b)
    return b if a[1] is None else a


def _or_value(a: Value, b: Value) -> Value:
    inner: Value | None = need("optional", a)
    return b if inner is None else inner


def _unwrap(items: Value) -> Value:
    inner = [need("optional", item) for item in need("list", items)]
    return ("list", [item for item in inner if item is not None])


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "bool": _bool,
    "bytes": _bytes,
    "double": _double,
    "duration": _duration,
    "dyn": lambda value: value,
    "int": _int,
    "lists.range": lambda count: ("list", [("int", n) for n in range(need("int", count))]),
    "lists.zip": _zip,
    "math.abs": _abs,
    "math.bitAnd": _bits(lambda a, b: a & b),
    "math.bitOr": _bits(lambda a, b: a | b),
    "math.bitXor": _bits(lambda a, b: a ^ b),
    "math.ceil": _whole(math.ceil),
    "math.floor": _whole(math.floor),
    "math.greatest": lambda *given: _extreme(">")(("list", _numbers(given))),
    "math.least": lambda *given: _extreme("<")(("list", _numbers(given))),
    "math.round": _whole(_half_away_from_zero),
    "math.sign": _sign,
    "math.trunc": _whole(math.trunc),
    "base64.encode": lambda value: ("string", base64.b64encode(need("bytes", value)).decode()),
    "hex.encode": lambda value: ("string", need("bytes", value).hex()),
    "optional.none": lambda: ("optional", None),
    "optional.of": lambda value: ("optional", value),
    "optional.ofNonZeroValue": _of_non_zero,
    "optional.unwrap": _unwrap,
    "seconds": _seconds,
    "sets.contains": _boolean(_subset),
    "sets.equivalent": _boolean(lambda a, b: _subset(a, b) and _subset(b, a)),
    "sets.intersects": _boolean(
        lambda a, b: any(equal(x, y) for x in need("list", a) for y in need("list", b))
    ),
    "size": _size,
    "string": lambda value: ("string", text_of(value)),
    "timestamp": _timestamp,
    "type": lambda value: ("type", _TYPES.get(value[0], value[0])),
    "uint": _uint,
}
_METHODS: dict[str, Callable[..., Value]] = {
    "avg": _average,
    "charAt": _char_at,
    "contains": _boolean(lambda text, part: need("string", part) in need("string", text)),
    "distinct": _distinct,
    "endsWith": _boolean(lambda text, part: need("string", text).endswith(need("string", part))),
    "first": _end(0),
    "flatten": _flatten,
    "getDate": _part(lambda moment: moment.day),
    "getDayOfWeek": _part(lambda moment: (moment.weekday() + 1) % 7),
    "getFullYear": _part(lambda moment: moment.year),
    "getHours": _part(lambda moment: moment.hour, 3600 * SECOND),
    "getMinutes": _part(lambda moment: moment.minute, 60 * SECOND),
    "getMonth": _part(lambda moment: moment.month - 1),
    "getSeconds": _part(lambda moment: moment.second, SECOND),
    "hasValue": _boolean(lambda optional: need("optional", optional) is not None),
    "indexOf": _index_of,
    "isSorted": _boolean(_is_sorted),
    "join": _join,
    "last": _end(-1),
    "lastIndexOf": _last_index_of,
    "lowerAscii": _ascii(str.lower),
    "max": _extreme(">"),
    "merge": _merge,
    "min": _extreme("<"),
    "or": _or,
    "orValue": _or_value,
    "replace": _replace,
    "reverse": _reverse,
    "size": _size,
    "slice": _slice,
    "sort": lambda items: sorted_by(need("list", items), items[1]),
    "split": _split,
    "startsWith": _boolean(lambda text, part: need("string", text).startswith(need("string", part))),
    "substring": _substring,
    "sum": _sum,
    "trim": lambda text: ("string", need("string", text).strip(" \t\n\r\v\f")),
    "unwrapOpt": _unwrap,
    "upperAscii": _ascii(str.upper),
    "value": _value,
}
