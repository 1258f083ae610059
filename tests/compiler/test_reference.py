"""The generated code does what a slow and obvious evaluator does."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from perdure.compiler.codegen import compile_value
from perdure.compiler.runtime import EvalError
from perdure.dsl.expr import ast
from perdure.dsl.expr.parser import parse
from tests.compiler.random_expressions import VALUES, expression
from tests.compiler.reference import evaluate
from tests.compiler.reference_values import Fail, Value, same, value_of
from tests.shares import turn

NAMES = {name: value_of(value) for name, value in VALUES.items()}
ROOTS = {name: f"f[{name!r}]" for name in VALUES}

Outcome = Value | str


def generated(node: ast.Node) -> Outcome:
    """What the generated code gives: a value, or the kind of its error."""
    evaluator = compile_value(ast.Embedded(node, ((0, 1, 1),)), ROOTS, result="raw")
    try:
        return value_of(evaluator(VALUES, SimpleNamespace(now_us=0)))
    except EvalError as error:
        return error.kind


def obvious(node: ast.Node) -> Outcome:
    """What the reference gives."""
    try:
        return evaluate(node, NAMES)
    except Fail as error:
        return f"cel.{error.kind}"


def agree(one: Outcome, two: Outcome) -> bool:
    """Whether two outcomes are the same value of the same type, or errors of one kind."""
    if isinstance(one, str) or isinstance(two, str):
        return one == two
    return same(one, two)


def differences(seed: int, count: int) -> list[str]:
    """The expressions that the two do not agree on, each cut down to the smallest part that shows it."""
    found = []
    for number in range(count):
        text = expression(seed, number)
        node = parse(text)
        if not agree(generated(node), obvious(node)):
            part = smallest(node)
            found.append(f"{number}: {text[part.at : part.end]}: {generated(part)} or {obvious(part)}")
    return found


def smallest(node: ast.Node) -> ast.Node:
    """A part of an expression on which the two still do not agree, though they do on all of its parts."""
    for child in ast.children(node):
        if not agree(generated(child), obvious(child)):
            return smallest(child)
    return node


def test_the_reference_agrees() -> None:
    """Three thousand random expressions have the same value, type and kind of error in both."""
    assert differences(1, 3000) == []


@pytest.mark.slow
@turn("reference")
@pytest.mark.timeout(600)
def test_the_reference_agrees_with_many_more() -> None:
    """So have twenty thousand."""
    assert differences(2, 20_000) == []


def test_the_random_expressions_are_worth_comparing() -> None:
    """Most have a value, every type of value occurs, and so does every kind of error of the operators."""
    outcomes = [obvious(parse(expression(1, number))) for number in range(3000)]
    values = Counter(outcome[0] for outcome in outcomes if not isinstance(outcome, str))
    errors = Counter(outcome for outcome in outcomes if isinstance(outcome, str))
    assert sum(values.values()) > 1500
    assert set(values) >= set(
        "int uint double string bool bytes timestamp duration list map optional".split()
    )
    assert set(errors) >= set(
        "cel.no_overload cel.overflow cel.div_zero cel.index cel.convert cel.no_such_key cel.no_such_field"
        " cel.duplicate_key".split()
    )
