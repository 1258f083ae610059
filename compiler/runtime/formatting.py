"""``text.format([...])``."""

from __future__ import annotations

import math
from typing import Any

from perdure.compiler.runtime.convert import double_text, encoded, int_text
from perdure.compiler.runtime.errors import MAX_TEXT, Budget, EvalError, charge, made_text
from perdure.compiler.runtime.values import TypeValue, Uint, a_type, no_overload, sorted_items
from perdure.dsl.expr.formats import clauses
from perdure.dsl.expr.times import Duration, Timestamp


def format_text(budget: Budget, template: Any, arguments: Any) -> str:
    """``template.format(arguments)`` with the clauses ``%s %d %f %e %b %o %x %X %%``."""
    if type(template) is not str or type(arguments) is not list:
        no_overload("format", template, arguments)
    try:
        parts = clauses(template)
    except ValueError as error:
        raise EvalError("cel.convert", str(error)) from None
    done: list[str] = []
    taken = total = 0
    for plain, verb, precision in parts:
        text = plain
        if verb:
            if taken >= len(arguments):
                raise EvalError(
                    "cel.index", f"the format asks for more than the {len(arguments)} arguments given"
                )
            text += _formatted(budget, verb, precision, arguments[taken])
            taken += 1
        total += len(text)
        made_text(budget, total)
        done.append(text)
    return "".join(done)


def _formatted(budget: Budget, verb: str, precision: int | None, value: Any) -> str:
    match verb:
        case "s":
            return _Words(budget).text(value)
        case "d":
            return _decimal(value)
        case "f" | "e":
            return _real(verb, 6 if precision is None else precision, value)
        case "b":
            if type(value) is bool:
                return "1" if value else "0"
            return _digits(value, "b")
        case "o":
            return _digits(value, "o")
        case _:
            return _hexadecimal(value, verb)


def _refuse(verb: str, value: Any) -> EvalError:
    return EvalError("cel.no_overload", f"%{verb} does not take {a_type(value)}")


def _decimal(value: Any) -> str:
    if type(value) is int or type(value) is Uint:
        return int_text(int(value))
    if type(value) is float:
        return double_text(value)
    raise _refuse("d", value)


def _real(verb: str, precision: int, value: Any) -> str:
    if type(value) not in (int, Uint, float):
        raise _refuse(verb, value)
    try:
        number = float(value)
    except OverflowError:
        raise EvalError("cel.overflow", "an integer of the input does not fit in a double") from None
    if not math.isfinite(number):
        return double_text(number)
    return format(number, f".{precision}{verb}")


def _digits(value: Any, verb: str) -> str:
    if type(value) is int or type(value) is Uint:
        return format(int(value), verb)
    raise _refuse(verb, value)


def _hexadecimal(value: Any, verb: str) -> str:
    if type(value) is str:
        value = encoded(value)
    if type(value) is bytes:
        text = value.hex()
        return text.upper() if verb == "X" else text
    return _digits(value, verb)


class _Words:
    """``%s`` of any value. Counts as it walks, because parts may be shared many times over."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.length = 0

    def text(self, value: Any) -> str:
        charge(self.budget, 1)
        if type(value) is list:
            return f"[{', '.join([self.text(item) for item in value])}]"
        if type(value) is dict:
            pairs = sorted((self.text(key), self.text(item)) for key, item in sorted_items(value))
            return f"{{{', '.join(f'{key}: {item}' for key, item in pairs)}}}"
        return self.counted(self.scalar(value))

    def scalar(self, value: Any) -> str:
        match value:
            case str():
                return value
            case None:
                return "null"
            case bool():
                return "true" if value else "false"
            case int():
                return int_text(value)
            case float():
                return double_text(value)
            case Timestamp() | Duration():
                return value.text()
            case TypeValue():
                return str(value.name)
            case bytes():
                return value.decode("utf-8", "replace")
            case _:
                raise _refuse("s", value)

    def counted(self, text: str) -> str:
        self.length += len(text)
        if self.length > MAX_TEXT:
            made_text(self.budget, self.length)
        charge(self.budget, len(text) // 64)
        return text
