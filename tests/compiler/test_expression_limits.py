"""Each limit of the expression language: what is just within it works, what is just over it is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from perdure.compiler.codegen import Result, compile_value
from perdure.compiler.runtime import EvalError
from perdure.dsl.expr import ast
from perdure.dsl.expr.check import WARNINGS, check
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.parser import parse

MIB = 1 << 20


def kind_of(text: str, given: Any = None, result: Result = "raw") -> str | None:
    """The kind of error that an expression ends with before or while it is evaluated, if any."""
    try:
        value = ast.Embedded(parse(text), ((0, 1, 1),))
        for problem in check(value):
            if problem.kind not in WARNINGS:
                return problem.kind
        compile_value(value, {"input": "f"}, result=result)(given, SimpleNamespace(now_us=0))
    except (ExprError, EvalError) as error:
        return error.kind
    return None


def loops(depth: int) -> str:
    """Comprehensions in each other."""
    text = "1"
    for number in range(depth):
        text = f"[1].map(v{number}, {text})"
    return text


def nested(levels: int) -> Any:
    """Lists in each other."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


LIMITS: dict[str, tuple[tuple[str, Any], tuple[str, Any]]] = {
    "text of 8,192 characters": (("1" + " " * 8191, None), ("1" + " " * 8192, None)),
    "64 levels of the tree": (("[" * 63 + "1" + "]" * 63, None), ("[" * 64 + "1" + "]" * 64, None)),
    "4,000 nodes": (
        ("[" + "1," * 3999 + "]", None),
        ("[" + "1," * 4000 + "]", None),
    ),
    "6 comprehensions in each other": ((loops(6), None), (loops(7), None)),
    "1,000,000 units": (
        ("lists.range(10000).map(i, lists.range(98)).size()", None),
        ("lists.range(10000).map(i, lists.range(99)).size()", None),
    ),
    "text of 4 MiB by one operation": (
        ("(input + 'x').size()", "a" * (4 * MIB - 1)),
        ("(input + 'x').size()", "a" * 4 * MIB),
    ),
    "lists of 100,000 items": (("lists.range(100000).size()", None), ("lists.range(100001).size()", None)),
    "list concatenation of 100,000 items": (
        ("(input + [1]).size()", [0] * 99_999),
        ("(input + [1]).size()", [0] * 100_000),
    ),
    "a pattern of 1,000 characters": (
        ("'a'.matches(input)", "a" * 1000),
        ("'a'.matches(input)", "a" * 1001),
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_within_and_over(name: str) -> None:
    """The limit itself is allowed, one more is not."""
    within, over = LIMITS[name]
    assert kind_of(*within) is None
    assert kind_of(*over) == ("cel.regex" if "pattern" in name else "cel.limit")


@pytest.mark.parametrize(
    ("within", "over"),
    [(["a" * (MIB - 9)], ["a" * MIB]), (nested(63), nested(64))],
    ids=["1 MiB of JSON", "64 levels"],
)
def test_results_within_and_over(within: Any, over: Any) -> None:
    """A result is measured as the JSON that it becomes."""
    assert (kind_of("[input]", within, "json"), kind_of("[input]", over, "json")) == (None, "cel.limit")
