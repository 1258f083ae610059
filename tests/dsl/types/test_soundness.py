"""The checker refuses only what fails for every input, and a type holds whatever evaluation gives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from perdure.compiler.codegen import compile_value
from perdure.compiler.runtime import EvalError
from perdure.dsl.expr import ast
from perdure.dsl.expr.check import WARNINGS, check
from perdure.dsl.expr.parser import parse
from perdure.dsl.types.infer import infer
from perdure.dsl.types.kinds import NEVER, describe
from tests.conformance.runner import from_typed
from tests.conformance.suites import OWN, SHARED, Suite, deviations, suites
from tests.dsl.types.expressions import INPUTS, TYPES, expressions
from tests.dsl.types.values import holds, type_of_value

NOW = SimpleNamespace(now_us=1_700_000_000_123_456, uuid=lambda label: f"uuid-{label}")
SUITES = [suite for folder in (OWN, SHARED) if folder.is_dir() for suite in suites(folder)]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_what_has_a_value_is_not_refused(suite: Suite) -> None:
    """Each conformance row that gives a value has a type, given those of its variables, that holds it."""
    deviating = deviations(SHARED, OWN)
    wrong = []
    for row in suite.rows:
        if "value" not in row["expect"] or suite.identity(row) in deviating:
            continue
        types = {name: type_of_value(from_typed(value)) for name, value in row.get("bindings", {}).items()}
        found = infer(parse(row["expr"]), types.get)
        if found.type == NEVER or not holds(found.type, from_typed(row["expect"]["value"])):
            wrong.append((row["expr"], describe(found.type), [each.message for each in found.problems]))
    assert wrong == []


@settings(max_examples=300, deadline=None)
@given(expressions(), INPUTS)
def test_a_refused_expression_fails_and_others_give_what_their_type_says(
    text: str, inputs: dict[str, Any]
) -> None:
    """Whatever the input: NEVER fails, and the type of what does not fail holds the value."""
    node = parse(text)
    value = ast.Embedded(node, ((0, 1, 1),))
    if any(each.kind not in WARNINGS for each in check(value)):
        return
    found = infer(node, TYPES.get)
    evaluate = compile_value(value, {name: f"f[{name!r}]" for name in TYPES}, result="raw")
    try:
        result = evaluate(inputs, NOW)
    except EvalError:
        return
    assert found.type != NEVER, [each.message for each in found.problems]
    assert holds(found.type, result), f"{describe(found.type)} does not hold {result!r}"
