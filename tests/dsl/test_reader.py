"""YAML as this language reads it: values, places and limits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from perdure.dsl import reader
from perdure.dsl.diagnostics import Collector
from perdure.dsl.forms import plain
from perdure.dsl.nodes import ListNode, MapNode, Node, ScalarNode
from perdure.dsl.source import Position, Source


def first(text: str) -> Node:
    """The root of the only document of a text without mistakes."""
    diagnostics = Collector("case.yaml")
    (document,) = reader.read(Source("case.yaml", text), diagnostics)
    assert not diagnostics.errors, diagnostics.diagnostics()
    return document.root


def refused(text: str) -> list[str]:
    """The codes of what is wrong with a text."""
    diagnostics = Collector("case.yaml")
    reader.read(Source("case.yaml", text), diagnostics)
    return [each.code for each in diagnostics]


def place_of(text: str, needle: str) -> Position:
    """Where the text map of the first value of a mapping puts a piece of it."""
    root = first(text)
    assert isinstance(root, MapNode)
    node = root.entries[0].value
    assert isinstance(node, ScalarNode)
    return node.text_map.position(node.text.index(needle))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("True", True),
        ("~", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("9223372036854775807", 2**63 - 1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("'5'", "5"),
        ('"true"', "true"),
        ("0b1", "0b1"),
        (".", "."),
        ("+", "+"),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """YAML 1.2's core schema decides; the words and notations of YAML 1.1 are text."""
    read = plain(first(f"a: {text}"))["a"]
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "needle", "line", "column"),
    [
        ("a: x ${ b }", "${", 1, 6),
        ('a: "x ${ b }"', "${", 1, 7),
        ('a: "\\u00e9\\t\\"${ b }"', "${", 1, 15),
        ('a: "x\n  y\\\n  z ${ b }"', "${", 3, 5),
        ("a: 'it''s ${ b }'", "${", 1, 11),
        ("a: 'x\n\n  y ${ b }'", "${", 3, 5),
        ("a: x\n  y\n  z ${ b }", "${", 3, 5),
        ("a: |\n  x\n\n    ${ b }\n", "${", 4, 5),
        ("a: |2\n    x\n  ${ b }\n", "${", 3, 3),
        ("a: >-\n  x\n  y\n    more\n\n  z ${ b }\n", "${", 6, 5),
        ("a: >\n  x ${ b }\n# not part of it\n", "${", 2, 5),
        ("ñ日: '日本 é 😀 ${ b }'", "${", 1, 13),
        ("a: >-\n  日本\n  é ${ b }\n", "${", 3, 5),
        ("a: |\r\n  x\r\n  y ${ b }\r\n", "${", 3, 5),
        ('a: "x\r\n\r  y ${ b }"', "${", 2, 6),
    ],
)
def test_places_inside_scalars(text: str, needle: str, line: int, column: int) -> None:
    """A character of a value is found in the file, whatever the scalar's style; columns are code points."""
    assert place_of(text, needle) == (line, column)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: " + "x" * (reader.MAX_BYTES - 3), "PD112"),
        ("a: " + "x" * (reader.MAX_BYTES - 2), "PD109"),
        ("a: '" + "é" * (reader.MAX_BYTES // 2) + "'", "PD109"),
        ("a: '" + "x" * (reader.MAX_SCALAR + 1) + "'", "PD112"),
        ("[" + "1," * reader.MAX_NODES + "]", "PD111"),
        ("[" * 65 + "]" * 65, "PD110"),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, "PD110"),
        ("[" * 200_000, "PD110"),
        ("{" * 1_000 + "}" * 1_000, "PD110"),
        ("- " * 1_000, "PD110"),
        ("a: &a [*a]", "PD114"),
        ("a: \x07", "PD118"),
        ("a: \x00", "PD118"),
        ("a: \ud800", "PD118"),
        ('a: "\\ud800"', "PD118"),
        ('a: "\\U99999999"', "PD101"),
        ("a: " + "9" * 10_000, "PD116"),
        ("a: -9223372036854775809", "PD116"),
        ("a: 0x" + "f" * 100, "PD116"),
        ("a: 1e400", "PD116"),
        ("a: -.inf", "PD117"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "PD121"),
        ("%YAML 1.11\n---\na: 1", "PD121"),
        ("a: b\x85", "PD118"),
        ("a: b\u2028c", "PD118"),
        ("? [a]\n: b", "PD119"),
        ("null: 1", "PD119"),
    ],
)
def test_hostile_texts_are_refused(text: str, code: str) -> None:
    """Every limit has its code, and none needs the document to be built first."""
    assert refused(text) == [code]


def bomb(levels: int, width: int, leaf: str) -> str:
    """A mapping whose last value is ``leaf``, ``width`` times over for each level."""
    names = [f"a{level}" for level in range(levels)]
    lines = [f"{names[0]}: &{names[0]} {leaf}"]
    for before, name in pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * width)}]")
    return "\n".join(lines)


@pytest.mark.parametrize("text", [bomb(30, 10, "x"), bomb(3, 40, "x" * 60_000)], ids=["nodes", "characters"])
def test_alias_bombs_are_counted_not_built(text: str) -> None:
    """Aliases that would make a small file enormous are refused by arithmetic."""
    assert refused(text) == ["PD113"]


def test_honest_aliases_pass() -> None:
    """A value shared a hundred times is no bomb, and is one node."""
    root = first("a: &a { x: [1, 2, 3] }\nb: [" + ", ".join(["*a"] * 100) + "]")
    assert isinstance(root, MapNode)
    shared = root.get("b")
    assert isinstance(shared, ListNode)
    assert {id(item) for item in shared.items} == {id(root.get("a"))}


@pytest.mark.slow
def test_large_alias_free_file_is_accepted() -> None:
    """A document just within all limits is read."""
    root = first("a:\n" + "- [1, 2]\n" * 16_000)
    assert len(plain(root)["a"]) == 16_000


def test_documents_before_a_syntax_error_are_kept() -> None:
    """A mistake in the second document does not take away the first."""
    diagnostics = Collector("case.yaml")
    documents = reader.read(Source("case.yaml", "a: 1\n---\nb: [\n"), diagnostics)
    assert [plain(document.root) for document in documents] == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("a:\n  - 1\n  - two\n\n\nb: 3", ((2, 3), (3, 8))),
        ("a: [1,\n  2]\n\nb: 3", ((1, 4), (2, 5))),
        ("a: {}\nb: 3", ((1, 4), (1, 6))),
        ("a: |\n  x\n\n\nb: 3", ((1, 4), (2, 4))),
    ],
)
def test_spans_end_where_the_text_ends(text: str, span: object) -> None:
    """A collection ends with its last item, not where the next token begins."""
    root = first(text)
    assert isinstance(root, MapNode)
    assert root.entries[0].value.span == span
