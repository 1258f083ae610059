from __future__ import annotations

import pytest

from perdure.dsl.expr import ast
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.names import names_of
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.source import Mark, Position, TextMap

PLACE = TextMap((Mark(0, 4, 9),))


def value_of(text: str) -> ast.Value:
    """The value of a scalar that begins at ``PLACE``."""
    return parse_scalar(text, PLACE)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("hello", "hello"), ("", ""), ("$5 {x}", "$5 {x}"), ("$${x}", "${x}"), ("a $${b} $${c}", "a ${b} ${c}")],
)
def test_text_without_expressions_is_a_constant(text: str, plain: str) -> None:
    """Text stays text, and ``$${`` is a plain ``${``."""
    assert value_of(text) == ast.Const(plain)


@pytest.mark.parametrize(
    "inside",
    [
        '{"a": 1}',
        '"}"',
        "'}'",
        r'"\"}"',
        '"""}"""',
        r"r'\}'",
        '{"a": {"b": "}}"}}',
        "a // }\n",
        "b'}'",
        "{'}': [{}]}",
    ],
)
def test_an_expression_ends_at_its_own_brace(inside: str) -> None:
    """Braces of maps, in strings and in comments do not end it."""
    value = value_of(f"${{ {inside} }}" + "!")
    assert isinstance(value, ast.Text)
    assert value.parts[1] == "!"


def test_a_whole_scalar_keeps_its_type() -> None:
    """One expression and nothing else is typed."""
    assert isinstance(value_of("${ 1 }"), ast.Embedded)


def test_text_around_it_makes_text() -> None:
    """Even one space outside makes interpolation."""
    value = value_of("${ 1 } ")
    assert isinstance(value, ast.Text)
    assert value.parts[1] == " "


def test_several_expressions_and_escapes_mix() -> None:
    """Escapes between expressions stay text."""
    value = value_of("a ${ b } $${ c } ${ d }")
    assert isinstance(value, ast.Text)
    assert [part if isinstance(part, str) else "expr" for part in value.parts] == [
        "a ",
        "expr",
        " ${ c } ",
        "expr",
    ]


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("é ${ 1 + }", 8, "the expression ends too early: a value is missing"),
        ("${ a } ${ b", 7, "${ is not closed by }"),
        ("😀 ${ 'abc }", 5, "the string that begins with ' is not closed"),
        ("x ${}", 4, "the expression is empty"),
        ("${ a = b }", 5, "= is no operator"),
    ],
)
def test_errors_stand_in_the_scalar(text: str, at: int, message: str) -> None:
    """Offsets of errors count from the scalar's first character, in code points."""
    with pytest.raises(ExprError) as caught:
        value_of(text)
    assert (caught.value.at, caught.value.message) == (at, message)


def test_names_have_their_place_in_the_file() -> None:
    """Marks carry the position of an expression inside of text, after wide characters too."""
    uses = names_of(value_of("😀é ${ input.a + vars.b.c }"))
    assert [(use.name, use.position, use.length, use.fields) for use in uses] == [
        ("input", Position(4, 15), 5, ("a",)),
        ("vars", Position(4, 25), 4, ("b", "c")),
    ]


def test_marks_follow_folded_text() -> None:
    """A scalar written on several lines maps each part to its own line."""
    value = parse_scalar("ab ${ input.x }", TextMap((Mark(0, 1, 3), Mark(6, 2, 5))))
    assert [use.position for use in names_of(value)] == [Position(2, 5)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("${ [1].map(x, x + y) }", ["y"]),
        ("${ x.map(x, x) }", ["x"]),
        ("${ [1].map(x, .x) }", ["x"]),
        ("${ cel.bind(a, b, a + c) }", ["b", "c"]),
        ("${ m.all(k, v, k == v && w) }", ["m", "w"]),
        ("${ type(a) == int && b == google.protobuf.Timestamp }", ["a", "b"]),
        ("${ has(a.b.c) ? a.?d : a[e] }", ["a", "a", "a", "e"]),
        ("${ math.ceil(n) }", ["n"]),
        ("${ o.optMap(v, v + z) }", ["o", "z"]),
    ],
)
def test_bound_names_and_types_are_not_roots(text: str, names: list[str]) -> None:
    """Only what comes from outside of the expression is listed, in the order of the text."""
    assert [use.name for use in names_of(value_of(text))] == names


def test_fields_stop_at_what_is_not_plain() -> None:
    """The listed fields are those whose absence would be an error whatever the values."""
    uses = names_of(value_of("${ a.b[0].c + d.e.?f.g + h.i.size() }"))
    assert [use.fields for use in uses] == [("b",), ("e",), ("i",)]


def test_structures_are_walked() -> None:
    """Names inside of YAML lists and maps are found."""
    leaf = value_of("${ a }")
    value = ast.MapValue((("k", ast.ListValue((leaf, ast.Const(1)))), ("t", value_of("x ${ b }"))))
    assert [use.name for use in names_of(value)] == ["a", "b"]
