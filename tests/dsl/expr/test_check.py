from __future__ import annotations

from typing import Any

import pytest

from perdure.dsl.expr.check import MOST_GUESSES, WARNINGS, check
from perdure.dsl.expr.errors import ExprProblem
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, Position, TextMap


def problems(text: str, **options: Any) -> list[ExprProblem]:
    """The findings in a whole-scalar expression that begins at column 4 of line 7."""
    return check(parse_scalar(f"${{ {text} }}", TextMap((Mark(0, 7, 1),))), **options)


FINDINGS = {
    "siz(a)": ("cel.unknown_function", "unknown function 'siz'", "did you mean size?"),
    "math.celi(1)": ("cel.unknown_function", "unknown function 'math.celi'", "did you mean math.ceil?"),
    "xs.fliter(x, x)": (
        "cel.unknown_function",
        "unknown function 'fliter' of a value",
        "did you mean filter?",
    ),
    "frobnicate()": ("cel.unknown_function", "unknown function 'frobnicate'", None),
    "contains(a, b)": ("cel.unknown_function", "'contains' is called on a value", "write x.contains(...)"),
    "map(xs, x)": ("cel.unknown_function", "'map' is called on a value", "write x.map(...)"),
    "a.int()": ("cel.unknown_function", "'int' is not called on a value", "write int(x)"),
    "size(a, b)": ("cel.arity", "size takes 1 argument, not 2", None),
    "a.indexOf()": ("cel.arity", "indexOf takes 1 or 2 arguments, not 0", None),
    "math.least()": ("cel.arity", "math.least takes 1 or more arguments, not 0", None),
    "uuid()": ("cel.arity", "uuid takes 1 argument, not 0", None),
    "has(a)": ("cel.syntax", "has(...) takes one selection of a field, as in has(a.b)", None),
    "'a'.matches('(')": ("cel.regex", "missing ): (", None),
    "timestamp('2024')": ("cel.convert", "not an RFC 3339 timestamp such as 2024-05-06T07:08:09Z", None),
    "duration('5x')": ("cel.convert", "not a duration such as 1h30m or 1.5s", None),
    "t.getHours('Mars/X')": ("cel.convert", "unknown time zone 'Mars/X'", None),
    "'%q'.format([1])": ("cel.convert", "unknown format clause '%q'; use %% for a plain %", None),
    "'%s%s'.format([1])": ("cel.arity", "the format has 2 clauses, but 1 arguments are given", None),
    "{'a': 1, 'a': 2}": ("cel.duplicate_key", "the map has this key twice", None),
    "{1.5: 1}": ("cel.no_overload", "a key is a string, an int or a bool", None),
    "while": ("cel.syntax", "'while' is a reserved word", None),
    "xs.map(math, 1)": ("cel.syntax", "'math' is reserved: map cannot bind it", None),
    "xs.map(int, 1)": ("cel.syntax", "'int' is reserved: map cannot bind it", None),
    "secret('k')": (
        "cel.secret",
        "secret(...) can only stand under 'with' of the call of an activity",
        "the worker puts it in, so that no history ever holds it",
    ),
    "cel.bind(x, 1, 2)": ("cel.unused", "'x' is bound but never read", None),
    "xs.map(x, xs.map(x, x))": ("cel.shadowed", "'x' of map hides a name from outside", None),
}


@pytest.mark.parametrize(("text", "expected"), FINDINGS.items())
def test_finding(text: str, expected: tuple[str, str, str | None]) -> None:
    """The mistake is found once, with its kind, words and hint."""
    assert [(found.kind, found.message, found.hint) for found in problems(text)] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "xs.map(x.y, 1)",
        "xs.all(x, x, true)",
        "xs.map(x)",
        "cel.bind(1, 2, 3)",
        "cel.bind(x, 1)",
        "xs.sortBy(.x, 1)",
    ],
)
def test_a_macro_in_the_wrong_form_shows_the_form(text: str) -> None:
    """The right way to write it is in the message."""
    found = problems(text)[0]
    assert found.kind in ("cel.syntax", "cel.arity")
    assert " is written " in found.message


@pytest.mark.parametrize(
    "text",
    [
        "size(a) > 1",
        "a.matches(b)",
        "{1: 'a', true: 'b', '1': 'c'}",
        "{?'a': x, 'b': 1}",
        "'%d'.format(xs)",
        "a / 2.0",
        "timestamp(a)",
        "input.map(k, v)",
        "a.math + 1",
        "xs.map(x, y.map(z, x + z))",
        "4 / 2",
        "now() > timestamp(a)",
    ],
)
def test_what_can_succeed_passes(text: str) -> None:
    """Nothing is said about an expression that succeeds for some input."""
    assert problems(text) == []


def test_findings_stand_in_the_file() -> None:
    """The place is that of the name or literal itself."""
    found = problems("a + 'x'.matches('(')")[0]
    assert (found.position, found.length) == (Position(7, 20), 3)


def test_varying_functions_can_be_forbidden() -> None:
    """Where a value must not vary, now() and uuid() are refused."""
    found = problems("string(now()) + uuid('a')", allow=frozenset())
    assert [problem.kind for problem in found] == ["cel.unsupported", "cel.unsupported"]


def test_hiding_a_root_is_a_warning() -> None:
    """A bound variable with the name of a root is legal but said."""
    found = problems("[1].map(input, input)", roots=frozenset({"input"}))
    assert [problem.kind for problem in found] == ["cel.shadowed"]
    assert found[0].kind in WARNINGS


def test_comprehensions_nest_six_deep() -> None:
    """The seventh loop inside of loops is refused."""
    text = "1"
    for name in "abcdef":
        text = f"[{text}].map({name}, 1)"
    nested = "1"
    for name in "abcdefg":
        nested = f"[1].map({name}, {nested})"
    assert (problems(text), [found.kind for found in problems(nested)]) == ([], ["cel.limit"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${ secret('k') }", []),
        ("Bearer ${ secret('k') }", ["a secret stands alone"]),
        ("${ 'x' + secret('k') }", ["a secret stands alone"]),
        ("${ secret(name) }", ["the name of a secret is a literal"]),
        ("${ secret('') }", ["a secret without a name"]),
        ("${ secret() }", ["the name of a secret is a literal"]),
    ],
)
def test_secrets_stand_alone(text: str, said: list[str]) -> None:
    """Where secrets may stand, each is a whole value with a literal name."""
    found = check(parse_scalar(text, TextMap((Mark(0, 7, 1),))), secrets=True)
    assert [each.message for each in found] == said


def test_all_findings_are_listed_in_order() -> None:
    """One expression can have several."""
    assert [found.kind for found in problems("siz(a) + duration('x') + size()")] == [
        "cel.unknown_function",
        "cel.convert",
        "cel.arity",
    ]


def test_many_unknown_functions_are_no_long_search() -> None:
    """Each is reported; what was meant is only looked for at the first ones."""
    found = problems(" || ".join(["siz()"] * 50))
    hints = [problem.hint for problem in found]
    assert hints == ["did you mean size?"] * MOST_GUESSES + [None] * (50 - MOST_GUESSES)
