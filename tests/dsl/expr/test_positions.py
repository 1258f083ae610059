"""Mistakes are pointed at exactly, in every style of YAML scalar, whatever characters stand before them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from perdure.compiler.codegen import compile_value
from perdure.compiler.runtime import EvalError
from perdure.dsl import Source, load
from perdure.dsl.diagnostics import Collector
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.nodes import MapNode, ScalarNode
from perdure.dsl.reader import read
from tests.dsl.documents import HEADER

MARK = "mistake"
_TOKENS = (
    "'é'", "'漢字'", "'😀'", "'e\u0301'", "input.a", "12", "[1, 2]", "{'k': 'ü'}", "'it''s'", "'a b'", "true",
)  # fmt: skip


def expression(source: random.Random) -> list[str]:
    """The words of an expression, with a planted name that nothing has; between two words may be a break."""
    operands = source.choices(_TOKENS, k=source.randint(0, 6))
    operands = ['"it\'s"' if each == "'it''s'" else each for each in operands]
    operands.insert(source.randint(0, len(operands)), MARK)
    words = [operands[0]]
    for operand in operands[1:]:
        words += [source.choice(("+", "==", "&&", "||")), operand]
    return words


def _plain(words: list[str], source: random.Random) -> str:
    return "${ " + " ".join(words).replace(": ", ":").replace(", ", ",") + " }"


def _single(words: list[str], source: random.Random) -> str:
    return "'${ " + _broken(words, source).replace("'", "''") + " }'"


def _double(words: list[str], source: random.Random) -> str:
    text = " ".join(words)
    shown = json.dumps(text, ensure_ascii=source.random() < 0.3)[1:-1]
    shown = re.sub(r"\\ud8[0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", r"\\U0001F600", shown)
    if source.random() < 0.5:
        shown = shown.replace(" ", r"\x20", 1)
    return f'"${{ {shown} }}"'


def _folded(words: list[str], source: random.Random) -> str:
    return ">-\n        ${ " + _broken(words, source) + " }"


def _literal(words: list[str], source: random.Random) -> str:
    return "|-\n        ${ " + _broken(words, source) + " }"


def _broken(words: list[str], source: random.Random) -> str:
    """The words with spaces and line breaks between them."""
    text = words[0]
    for word in words[1:]:
        text += source.choice((" ", " ", "\n        ")) + word
    return text


STYLES: dict[str, Callable[[list[str], random.Random], str]] = {
    "plain": _plain,
    "single": _single,
    "double": _double,
    "folded": _folded,
    "literal": _literal,
}


def planted(style: str, number: int, *, crlf: bool) -> tuple[str, tuple[int, int]]:
    """A document with the mistake, and its line and column."""
    source = random.Random(f"{style} {number}")
    prefix = source.choice(("", "é", "漢 ", "😀 "))
    scalar = STYLES[style](expression(source), source)
    if prefix:
        at = scalar.index("${")
        scalar = scalar[:at] + prefix + scalar[at:]
    text = f"{HEADER}do:\n  - a: # 漢字 😀\n      value: {scalar}\n"
    before = text[: text.index(MARK)]
    place = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return text.replace("\n", "\r\n") if crlf else text, place


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("style", STYLES)
def test_a_planted_name_is_pointed_at(style: str, crlf: bool) -> None:
    """The diagnostic of an unknown name stands on its first character."""
    for number in range(40):
        text, place = planted(style, number, crlf=crlf)
        found = [each for each in load(Source("a.yaml", text)).diagnostics if MARK in each.message]
        assert [tuple(each.span.start) for each in found] == [place], text


@pytest.mark.parametrize("crlf", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("style", STYLES)
def test_a_failure_at_run_time_is_pointed_at(style: str, crlf: bool) -> None:
    """So does the error of an evaluation, with the place that was kept in the Program."""
    seen = []
    for number in range(40):
        text, place = planted(style, number, crlf=crlf)
        node = scalar(text)
        value = parse_scalar(node.text.replace(MARK, "nothing"), node.text_map)
        evaluator = compile_value(value, {"input": "f"}, result="raw")
        try:
            evaluator({"a": 1}, SimpleNamespace(now_us=0))
        except EvalError as error:
            if "nothing" in error.message:
                seen.append((error.position, place))
    assert len(seen) > 10
    assert [each for each in seen if each[0] != each[1]] == []


def scalar(text: str) -> ScalarNode:
    """The scalar under ``value`` of the first step."""
    (document,) = read(Source("a.yaml", text), Collector("a.yaml"))
    node = document.root
    for key in ("do", 0, "a", "value"):
        node = node.get(key) if isinstance(node, MapNode) else node.items[key]  # type: ignore[assignment,union-attr,arg-type,index]
    assert isinstance(node, ScalarNode)
    return node
