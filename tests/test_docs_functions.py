"""``docs/expressions.md`` has every function of the language, and its examples and limits are right."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from perdure.compiler.codegen import compile_value
from perdure.compiler.runtime.errors import BUDGET, MAX_ITEMS, MAX_TEXT
from perdure.compiler.runtime.results import MAX_LEVELS, MAX_RESULT
from perdure.dsl.expr import ast
from perdure.dsl.expr.check import MAX_LOOPS, WARNINGS, check
from perdure.dsl.expr.functions import FUNCTIONS, MACROS, METHODS, NAMESPACES
from perdure.dsl.expr.parser import MAX_DEPTH, MAX_NODES, MAX_SOURCE, parse
from perdure.dsl.expr.regexes import MAX_PATTERN
from tests.checkout import ROOT
from tests.tables import every

PAGE = ROOT / "docs" / "expressions.md"
ENVIRONMENT = SimpleNamespace(now_us=1_700_000_000_000_000, uuid=lambda label: f"{label:36}")


class Row(NamedTuple):
    """A row of a table of functions: how they are called, and an expression that is true (or empty)."""

    forms: tuple[str, ...]
    example: str


def section(title: str) -> str:
    """The text under a heading of the second level."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"a section {title}"
    return found[1]


def rows() -> list[Row]:
    """The tables of the section on functions."""
    lines = [line for line in section("Functions").splitlines() if line.startswith("| `")]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return [
        Row(tuple(re.findall(r"`([^`]+)`", cell[0])), cell[2].strip("` ") if cell[2:] else "")
        for cell in cells
    ]


def function(form: str) -> str:
    """``size``, ``math.ceil`` or ``.map``: the name of what a form calls, with the dot of a method."""
    name = form.partition("(")[0]
    receiver, dot, method = name.rpartition(".")
    return name if not dot or receiver in NAMESPACES else f".{method}"


def test_every_function_is_on_the_page_and_no_other() -> None:
    """The tables have the names of ``dsl/expr/functions.py``, functions and methods apart."""
    macros = {name if "." in name else f".{name}" for name in MACROS}
    known = {*FUNCTIONS, *(f".{name}" for name in METHODS), *macros, "has"}
    assert {function(form) for row in rows() for form in row.forms} == known


@every(pytest.param(row, id=row.forms[0]) for row in rows() if row.example)
def test_examples_are_true(row: Row) -> None:
    """The example of a row passes the checker without a warning and evaluates to true."""
    value = ast.Embedded(parse(row.example), ((0, 1, 1),))
    assert [problem for problem in check(value) if problem.kind not in WARNINGS] == []
    assert compile_value(value, {}, result="bool")(None, ENVIRONMENT) is True


@every(pytest.param(row, id=row.forms[0]) for row in rows() if row.example)
def test_examples_use_what_they_explain(row: Row) -> None:
    """Each function of a row is called in its example."""
    names = {function(form) for form in row.forms}
    assert [name for name in names if f"{name}(" not in row.example] == []


@pytest.mark.parametrize(
    "shown",
    [
        f"{MAX_SOURCE:,} characters",
        f"{MAX_DEPTH} levels",
        f"| {MAX_NODES:,} |",
        f"| {MAX_LOOPS} |",
        f"{MAX_PATTERN:,} characters",
        f"{BUDGET:,} units",
        f"{MAX_TEXT >> 20} MiB",
        f"{MAX_ITEMS:,} entries",
        f"{MAX_RESULT >> 20} MiB as JSON, {MAX_LEVELS} levels",
    ],
)
def test_limits_are_those_of_the_code(shown: str) -> None:
    """Each limit of the code stands in the table of limits."""
    assert shown in section("Limits")
