"""Mutated expressions, and what must hold for each of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec

from perdure.compiler.codegen import Result, compile_value
from perdure.compiler.runtime import EvalError
from perdure.dsl.expr import ast
from perdure.dsl.expr.check import check
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.functions import FUNCTIONS, MACROS, METHODS
from perdure.dsl.expr.parser import parse
from perdure.dsl.expr.show import show
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, TextMap
from tests.conformance.runner import NOW_US, from_typed
from tests.conformance.suites import OWN, SHARED, suites
from tests.fuzz.texts import TextMutator

RESULTS: tuple[Result, ...] = ("raw", "json", "bool", "list", "int", "text", "duration", "timestamp")
INPUT = {"m": {"a": {"a": None}}, "l": [1, 2.5, "a", None, True, [1]], "big": 10**30, "s": "é😀x"}
WORDS = (
    *(name for name in {**FUNCTIONS, **METHODS, **MACROS} if "." not in name),
    *"+ - * / % < <= > >= == != in && || ! ? : . , ( ) [ ] { } .? [? ,? 0 -1 2u 1.5".split(),
    *"'a' b'x' r'\\d' true null x y input input.m input.l input.big has cel.bind math.least".split(),
    *"lists.range as while google".split(),
)


class Seed(NamedTuple):
    """An expression and the names it reads."""

    text: str
    bindings: dict[str, Any]


class Case(NamedTuple):
    """A mutated expression, the values of its roots, and what its position asks for."""

    text: str
    bindings: dict[str, Any]
    result: Result


@cache
def seeds() -> tuple[Seed, ...]:
    """The expressions of the conformance rows."""
    folders = [OWN, *([SHARED] if SHARED.is_dir() else [])]
    rows = [row for folder in folders for suite in suites(folder) for row in suite.rows]
    return tuple(
        Seed(row["expr"], {name: from_typed(value) for name, value in row.get("bindings", {}).items()})
        for row in rows
    )


def case(seed: int, number: int) -> Case:
    """The mutated expression of that number; the same every time."""
    source = random.Random(f"expression {seed} {number}")
    mutator = TextMutator(source, WORDS)
    one, two = source.choice(seeds()), source.choice(seeds())
    text = _grafted(source, one.text, two.text) if source.random() < 0.4 else one.text
    for _ in range(source.choice((0, 1, 1, 2, 4))):
        text = mutator.change(text, two.text)
    return Case(text, {"input": INPUT, **two.bindings, **one.bindings}, source.choice(RESULTS))


def _grafted(source: random.Random, text: str, other: str) -> str:
    """The text with one of its parts replaced by a part of another expression."""
    try:
        one, two = source.choice(list(_nodes(parse(text)))), source.choice(list(_nodes(parse(other))))
    except ExprError:
        return text
    return f"{text[: one.at]}({other[two.at : two.end]}){text[one.end :]}"


def _nodes(node: ast.Node) -> Iterator[ast.Node]:
    yield node
    for child in ast.children(node):
        yield from _nodes(child)


def examine(given: Case) -> str | None:
    """What is wrong with how an expression is answered, or None; any exception is wrong too."""
    problem = None
    for text in (given.text, f"a ${{ {given.text} }}"):
        try:
            value = (
                parse_scalar(text, TextMap((Mark(0, 1, 1),)))
                if text.startswith("a $")
                else ast.Embedded(parse(text), ((0, 1, 1),))
            )
        except ExprError as error:
            if not 0 <= error.at <= error.end <= len(text) + 1:
                return f"the error points outside of the text, at {error.at} to {error.end}: {error}"
            continue
        problem = problem or _shown(value) or _evaluated(value, given)
    return problem


def _shown(value: ast.Value) -> str | None:
    """An expression that is written out reads back as the same tree, but for idle parentheses."""
    for part in ast.embedded(value):
        text = show(part.expr)
        try:
            again = ast.without_positions(ast.Embedded(parse(text), ()))
        except ExprError as error:
            if error.kind == "cel.limit":  # escapes can be longer than what they stand for
                continue
            return f"it is shown as {text!r}, which is no expression: {error}"
        if _flat(again) != _flat(ast.without_positions(part)):
            return f"it is shown as {text!r}, which is another expression"
    return None


_LEVELS = {operator: level for level, text in enumerate(("+ -", "* / %")) for operator in text.split()}


def _flat(item: Any) -> Any:
    """The tree with ``(a + b) + c`` as ``a + b + c``: both mean the same."""
    if isinstance(item, tuple):
        return tuple(_flat(part) for part in item)
    if not isinstance(item, msgspec.Struct):
        return item
    if isinstance(item, ast.Negate) and isinstance(item.operand, ast.Int) and not item.operand.value:
        return item.operand
    if isinstance(item, ast.Chain) and isinstance(item.first, ast.Chain):
        levels = {_LEVELS.get(link.operator) for link in (item.first.rest[0], item.rest[0])}
        if len(levels) == 1:
            return _flat(ast.Chain(item.first.first, item.first.rest + item.rest, 0, 0))
    return type(item)(*(_flat(getattr(item, name)) for name in item.__struct_fields__))


def _evaluated(value: ast.Value, given: Case) -> str | None:
    check(value, roots=frozenset(given.bindings))
    stored = msgspec.json.decode(msgspec.json.encode(value), type=ast.Value)
    roots = {name: f"f[{name!r}]" for name in given.bindings}
    evaluator = compile_value(stored, roots, result=given.result, what="the value")
    try:
        evaluator(given.bindings, SimpleNamespace(now_us=NOW_US, uuid=lambda label: f"uuid of {label}"))
    except EvalError as error:
        if error.kind == "cel.internal":
            return error.message
        if error.position is None:
            return f"an error without a place: {error.message}"
    return None
