from __future__ import annotations

import pytest

from perdure.dsl.expr.check import check
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.foreign import FUNCTIONS, METHODS
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, TextMap
from tests.tables import every

HERE = TextMap([Mark(0, 1, 1)])


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a and b", "unexpected and", "write &&"),
        ("a or b", "unexpected or", "write ||"),
        ("not a", "unexpected a", "write !x"),
        ("not input", "unexpected input", "write !x"),
        ("a not in b", "unexpected not", "write !(value in list)"),
        ("a is null", "unexpected is", "write =="),
        ("1 if a else 2", "unexpected if", "write test ? value : other"),
        ("[x for x in xs]", "unexpected for", "write xs.map(x, value)"),
        ("a === b", "=== is no operator", "write =="),
        ("a = b", "= is no operator", "use =="),
        ("a <> b", "<> is no operator", "write !="),
        ("a ?? b", "?? is no operator", "write a.?b.orValue(other)"),
        ("a.b?.c", "?. is no operator", "write a.b.?c"),
        ("f(a)?.c ? 1 : 2", "?. is no operator", "write x.?c"),
        ("a.xs[0:2]", "a list is not cut with ':'", "write a.xs.slice(0, 2)"),
        ("xs[1:]", "a list is not cut with ':'", "write xs.slice(1, xs.size())"),
        ("2 ** 3", "** is no operator", "there are no powers; multiply, or use an activity"),
        (
            "xs.map(x => x.y)",
            "=> is no operator",
            "write xs.map(x, x.field): the variable is the first argument",
        ),
        ("$input.a", "$ has no meaning in an expression", "names are written without it: input.name"),
        ("$.a", "$ has no meaning in an expression", "names are written without it: input.name"),
        ("a | size", "| is no operator", "'or' is ||; there are no pipes: write size(x), x.trim(), …"),
        ("{ a }", "unexpected }", "one brace is enough: ${ … }"),
        (
            "f'a'",
            "unexpected 'a'",
            "there are no f-strings; join texts with +, or write ${ } in a YAML text",
        ),
    ],
)
def test_operators_of_other_languages_are_recognised(text: str, message: str, hint: str) -> None:
    """What is written out of habit is refused with what to write here."""
    with pytest.raises(ExprError) as refused:
        parse_scalar("${ " + text + " }", HERE)
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_a_division_of_whole_numbers_is_no_comment() -> None:
    """With // the rest is a comment, and the closing brace with it: the hint says so."""
    with pytest.raises(ExprError) as refused:
        parse_scalar("${ 7 // 2 }", HERE)
    assert refused.value.hint == "'//' begins a comment; whole numbers divide with a single /"


@every(sorted(FUNCTIONS))
def test_functions_of_other_languages_have_a_hint(name: str) -> None:
    """None of the names in the table is a function here, and each is explained."""
    (problem,) = check(parse_scalar("${ " + name + "(1, 2) }", HERE))
    assert (problem.kind, problem.hint) == ("cel.unknown_function", FUNCTIONS[name])


@every(sorted(METHODS))
def test_methods_of_other_languages_have_a_hint(name: str) -> None:
    """The same of what is called on a value."""
    (problem,) = check(parse_scalar("${ a." + name + "(1, 2) }", HERE))
    assert (problem.kind, problem.hint) == ("cel.unknown_function", METHODS[name])


def test_in_is_a_whole_word() -> None:
    """``not input`` is not read as ``not in put``."""
    assert parse_scalar("${ a in[1] }", HERE) == parse_scalar("${ a in[1] }", HERE)
    with pytest.raises(ExprError):
        parse_scalar("${ a input }", HERE)
