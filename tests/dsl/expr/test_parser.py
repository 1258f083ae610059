from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from lark import Lark

from perdure.dsl.expr import ast, builder
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.parser import MAX_SOURCE, parse

WRONG = {
    "": (0, "the expression is empty"),
    "1 +": (3, "the expression ends too early: a value is missing"),
    "(1": (2, "the expression ends too early, expected )"),
    "[1, 2": (5, "the expression ends too early, expected ] or ,"),
    "a ? b": (5, "the expression ends too early, expected :"),
    "a.": (2, "the expression ends too early, expected a name"),
    "a b": (2, "unexpected b"),
    "a = b": (2, "= is no operator"),
    "a & b": (2, "& is no operator"),
    "a | b": (2, "| is no operator"),
    "a @ b": (2, "unexpected character '@'"),
    "x == 'abc": (5, "the string that begins with ' is not closed"),
    'x == "abc': (5, 'the string that begins with " is not closed'),
    "Order{a: 1}": (5, "CEL messages are not supported; write a map"),
    "a.in": (2, "in cannot stand after a dot"),
    "`a`": (0, "unexpected `a`: a value is missing"),
    r"'ab\q'": (3, r"unknown escape '\\q' in a string"),
    r"'\ud800'": (1, r"\ud800 is not a character"),
    r"b'\u0041'": (2, r"\u0041 is not allowed in bytes"),
    "9223372036854775808": (0, "the integer 9223372036854775808 does not fit in 64 bits"),
    "-(9223372036854775808)": (2, "the integer 9223372036854775808 does not fit in 64 bits"),
    "18446744073709551616u": (0, "the integer 18446744073709551616u does not fit in 64 bits"),
    "9" * 5000: (0, "the integer 99999999999999999999… does not fit in 64 bits"),
    "1e999": (0, "the number 1e999 is too large"),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.items())
def test_syntax_errors_say_what_and_where(text: str, expected: tuple[int, str]) -> None:
    """A text that is no expression is refused with words and the place."""
    with pytest.raises(ExprError) as caught:
        parse(text)
    assert (caught.value.kind, caught.value.at, caught.value.message) == ("cel.syntax", *expected)


@pytest.mark.parametrize(
    ("text", "hint"), [("a = 1", "use =="), ("a & b", "use &&"), ("Foo{a: 1}", 'as in {"a": 1}')]
)
def test_common_slips_come_with_the_right_form(text: str, hint: str) -> None:
    """What people type out of habit is answered with what to write."""
    with pytest.raises(ExprError) as caught:
        parse(text)
    assert caught.value.hint == hint


def test_chains_are_flat() -> None:
    """A chain of one operator level is one node however long it is."""
    node = parse("a && b && c && d")
    assert isinstance(node, ast.And)
    assert len(node.operands) == 4


def test_offsets_count_code_points() -> None:
    """Characters outside of the basic plane count as one."""
    node = parse("'😀é' + name")
    assert isinstance(node, ast.Chain)
    assert (node.rest[0].at, node.rest[0].operand.at, node.end) == (5, 7, 11)


def test_the_least_integer_can_be_written() -> None:
    """A minus belongs to the literal after it."""
    assert parse("-9223372036854775808") == ast.Int(-(2**63), 0, 20)


def test_minus_of_a_name_is_an_operator() -> None:
    """``a-1`` is a subtraction, not two values."""
    node = parse("a-1")
    assert isinstance(node, ast.Chain)
    assert node.rest[0].operator == "-"


@pytest.mark.parametrize("name", ["index", "input", "nullable", "trueish", "inn"])
def test_keywords_inside_of_names_are_no_keywords(name: str) -> None:
    """Only a whole word is a keyword."""
    assert parse(name) == ast.Name(name, False, 0, len(name))


@pytest.mark.parametrize(
    "text", ["x.map(y, z)", "{'a': [1u, 2.5, b'x', null]}", "a ? -b : !c.d[?1].?e", "has(a.b)"]
)
def test_trees_survive_json(text: str) -> None:
    """A stored tree reads back equal, with the types of its literals."""
    value: ast.Value = ast.Embedded(parse(text), ((0, 3, 7),))
    assert msgspec.json.decode(msgspec.json.encode(value), type=ast.Value) == value


def test_layout_does_not_change_a_stripped_tree() -> None:
    """Without positions, the same expression written otherwise is equal."""
    one = ast.without_positions(ast.Embedded(parse("a.b + [1,2].map(x, x)"), ((0, 1, 1),)))
    two = ast.without_positions(ast.Embedded(parse("a . b\n + [ 1, 2 ].map( x,x )"), ((0, 9, 9),)))
    assert one == two


def test_different_expressions_stay_different_without_positions() -> None:
    """Stripping removes nothing that has a meaning."""
    one, two = (ast.without_positions(ast.Embedded(parse(text), ())) for text in ("a.?b", "a.b"))
    assert one != two


TOO_MUCH = {
    "text": "1" * (MAX_SOURCE + 1),
    "lists": "[" * 100 + "]" * 100,
    "selections": "a" + ".b" * 100,
    "calls": "f(" * 100 + ")" * 100,
    "conditionals": "a ? b : " * 100 + "c",
    "unclosed": "[" * 8000,
    "parts": "[" + "1," * 4001 + "]",
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH.keys())
@pytest.mark.timeout(10)
def test_hostile_texts_are_refused(text: str) -> None:
    """Texts over a limit fail cleanly: no RecursionError, no long wait."""
    with pytest.raises(ExprError):
        parse(text)


@pytest.mark.parametrize("text", ["(" * 4000 + "1" + ")" * 4000, "-" * 8000 + "1", "1" + "+1" * 1999])
@pytest.mark.timeout(10)
def test_long_but_flat_texts_are_fine(text: str) -> None:
    """Parentheses, signs and chains are no nesting."""
    assert parse(text).at == 0


def test_the_grammar_has_no_conflicts() -> None:
    """No rule is resolved silently by the parser generator."""
    pytest.importorskip("interegular", reason="the strict mode of the grammar needs interegular")
    grammar = Path(builder.__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    assert Lark(grammar, parser="lalr", strict=True).parse("a.b").data == "start"
