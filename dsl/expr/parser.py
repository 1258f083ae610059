"""Text to syntax tree.

Lark's LALR parser with the builder's methods run as it reduces; the parser is made at the first use.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from perdure.dsl.expr import ast
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.functions import KEYWORDS, NAMESPACES, macro_form
from perdure.dsl.expr.literals import INT_MAX, INT_MIN, UINT_MAX, is_double, read_integer, read_string

MAX_SOURCE = 8192
MAX_DEPTH = 64
MAX_NODES = 4000


def parse(text: str) -> ast.Node:
    """The tree of one expression, with ``&&``, ``||`` and binary operators as flat chains.

    Raises ExprError: ``cel.syntax``, or ``cel.limit`` for text, nesting or node counts over the limit.
    """
    if len(text) > MAX_SOURCE:
        raise ExprError(
            "cel.limit", f"the expression has {len(text)} characters, at most {MAX_SOURCE} are allowed", 0
        )
    try:
        node: ast.Node = _lark().parse(text)
    except UnexpectedInput as error:
        raise _explain(error, text) from None
    _measure(node)
    return node


@cache
def _lark() -> Any:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", keep_all_tokens=True, transformer=_Builder())


def _measure(root: ast.Node) -> None:
    """Refuse a tree that recursive code could not walk; itself not recursive."""
    todo, count = [(root, 1)], 0
    while todo:
        node, depth = todo.pop()
        count += 1
        _in_range(node)
        if depth > MAX_DEPTH:
            message = f"the expression nests more than {MAX_DEPTH} levels deep"
            raise ExprError("cel.limit", message, node.at, node.end, "bind parts with cel.bind or use a step")
        if count > MAX_NODES:
            raise ExprError("cel.limit", f"the expression has more than {MAX_NODES} parts", node.at, node.end)
        todo.extend((child, depth + 1) for child in ast.children(node))


def _start(item: Any) -> int:
    at: Any = item.start_pos if isinstance(item, Token) else item.at
    return int(at)


def _end(item: Any) -> int:
    end: Any = item.end_pos if isinstance(item, Token) else item.end
    return int(end)


class _Builder(Transformer[Token, Any]):
    """One method a rule. ``parts`` are all tokens and what was built for the rules below."""

    def start(self, parts: list[Any]) -> ast.Node:
        node: ast.Node = parts[0]
        return node

    def conditional(self, parts: list[Any]) -> ast.Node:
        test, _, then, _, other = parts
        return ast.Conditional(test, then, other, _start(test), _end(other))

    def or_chain(self, parts: list[Any]) -> ast.Node:
        return ast.Or(tuple(parts[::2]), _start(parts[0]), _end(parts[-1]))

    def and_chain(self, parts: list[Any]) -> ast.Node:
        return ast.And(tuple(parts[::2]), _start(parts[0]), _end(parts[-1]))

    def _chain(self, parts: list[Any]) -> ast.Node:
        rest = tuple(
            ast.Operation(str(operator), operand, _start(operator), _end(operator))
            for operator, operand in zip(parts[1::2], parts[2::2], strict=True)
        )
        return ast.Chain(parts[0], rest, _start(parts[0]), _end(parts[-1]))

    rel_chain = add_chain = mul_chain = _chain

    def nots(self, parts: list[Any]) -> list[Any]:
        return parts

    negs = nots

    def not_(self, parts: list[Any]) -> ast.Node:
        marks, operand = parts
        node: ast.Node = ast.Not(operand, _start(marks[-1]), _end(operand))
        if len(marks) % 2 == 0:
            node = ast.Not(node, _start(marks[0]), _end(operand))
        return node

    def negate(self, parts: list[Any]) -> ast.Node:
        marks, operand = parts
        node = _negated(operand, _start(marks[-1]))
        return ast.Negate(node, _start(marks[0]), node.end) if len(marks) % 2 == 0 else node

    def parenthesis(self, parts: list[Any]) -> ast.Node:
        _in_range(parts[1])
        node: ast.Node = msgspec.structs.replace(parts[1], at=_start(parts[0]), end=_end(parts[2]))
        return node

    def name(self, parts: list[Any]) -> ast.Node:
        return ast.Name(str(parts[0]), False, _start(parts[0]), _end(parts[0]))

    def root_name(self, parts: list[Any]) -> ast.Node:
        return ast.Name(str(parts[1]), True, _start(parts[0]), _end(parts[1]))

    def select(self, parts: list[Any]) -> ast.Node:
        return ast.Select(
            parts[0], _field(parts[-1]), False, _start(parts[-1]), _start(parts[0]), _end(parts[-1])
        )

    def opt_select(self, parts: list[Any]) -> ast.Node:
        return ast.Select(
            parts[0], _field(parts[-1]), True, _start(parts[-1]), _start(parts[0]), _end(parts[-1])
        )

    def index(self, parts: list[Any]) -> ast.Node:
        return ast.Index(parts[0], parts[2], False, _start(parts[0]), _end(parts[3]))

    def opt_index(self, parts: list[Any]) -> ast.Node:
        return ast.Index(parts[0], parts[3], True, _start(parts[0]), _end(parts[4]))

    def args(self, parts: list[Any]) -> tuple[ast.Node, ...]:
        return tuple(parts[::2])

    def call(self, parts: list[Any]) -> ast.Node:
        name, _, arguments, close = parts
        return _call(str(name), arguments or (), _start(name), _start(name), _end(close))

    def root_call(self, parts: list[Any]) -> ast.Node:
        dot, name, _, arguments, close = parts
        return _call(str(name), arguments or (), _start(name), _start(dot), _end(close))

    def method(self, parts: list[Any]) -> ast.Node:
        operand, _, name, _, arguments, close = parts
        field = _field(name)
        if isinstance(operand, ast.Name) and operand.name in NAMESPACES and not operand.root:
            return _call(f"{operand.name}.{field}", arguments or (), _start(name), operand.at, _end(close))
        return _method(operand, field, arguments or (), _start(name), _end(close))

    def list_(self, parts: list[Any]) -> ast.Node:
        elements = tuple(part for part in parts if isinstance(part, ast.Element))
        return ast.List(elements, _start(parts[0]), _end(parts[-1]))

    def element(self, parts: list[Any]) -> ast.Element:
        return ast.Element(parts[-1], len(parts) == 2)

    def map_(self, parts: list[Any]) -> ast.Node:
        entries = tuple(part for part in parts if isinstance(part, ast.Entry))
        return ast.Map(entries, _start(parts[0]), _end(parts[-1]))

    def entry(self, parts: list[Any]) -> ast.Entry:
        return ast.Entry(parts[-3], parts[-1], len(parts) == 4)

    def number(self, parts: list[Any]) -> ast.Node:
        token = parts[0]
        if is_double(token):
            value = float(token)
            if math.isinf(value):
                raise ExprError("cel.syntax", f"the number {token} is too large", _start(token), _end(token))
            return ast.Double(value, _start(token), _end(token))
        value, unsigned = read_integer(token)
        if unsigned:
            return ast.Uint(value, _start(token), _end(token))
        return ast.Int(value, _start(token), _end(token))

    def string(self, parts: list[Any]) -> ast.Node:
        token = parts[0]
        try:
            value = read_string(str(token))
        except ExprError as error:
            raise error.shifted(_start(token)) from None
        if isinstance(value, bytes):
            return ast.Bytes(value, _start(token), _end(token))
        return ast.String(value, _start(token), _end(token))

    def true(self, parts: list[Any]) -> ast.Node:
        return ast.Bool(True, _start(parts[0]), _end(parts[0]))

    def false(self, parts: list[Any]) -> ast.Node:
        return ast.Bool(False, _start(parts[0]), _end(parts[0]))

    def null(self, parts: list[Any]) -> ast.Node:
        return ast.Null(_start(parts[0]), _end(parts[0]))


def _negated(operand: ast.Node, at: int) -> ast.Node:
    """The operand with a minus, folded into a literal so that the least int64 can be written."""
    match operand:
        case ast.Int(value) if value >= 0:
            return ast.Int(-value, at, operand.end)
        case ast.Double(value) if math.copysign(1.0, value) > 0:
            return ast.Double(-value, at, operand.end)
        case _:
            return ast.Negate(operand, at, operand.end)


def _in_range(node: ast.Node) -> None:
    """Refuse integer literals out of range; late, because a minus before the digits counts."""
    match node:
        case ast.Int(value) if not INT_MIN <= value <= INT_MAX:
            message = f"the integer {value} does not fit in 64 bits"
            raise ExprError("cel.syntax", message, node.at, node.end, "write it as a double: 1e19")
        case ast.Uint(value) if value > UINT_MAX:
            raise ExprError("cel.syntax", f"the integer {value}u does not fit in 64 bits", node.at, node.end)


def _field(token: Token) -> str:
    if token.type == "QIDENT":
        return str(token[1:-1])
    if token in KEYWORDS:
        hint = f"write ['{token}'] for the key"
        raise ExprError("cel.syntax", f"{token!s} cannot stand after a dot", _start(token), _end(token), hint)
    return str(token)


def _call(name: str, arguments: tuple[ast.Node, ...], name_at: int, at: int, end: int) -> ast.Node:
    """A function call, or ``has`` or ``cel.bind`` in the right form (the checker tells the wrong ones)."""
    if name == "has" and len(arguments) == 1 and isinstance(arguments[0], ast.Select):
        selection = arguments[0]
        return ast.Has(selection.operand, selection.field, selection.optional, at, end)
    if name == "cel.bind" and len(arguments) == 3 and _variables(arguments[:1]):
        return ast.Macro(name, arguments[1], _variables(arguments[:1]), arguments[2:], name_at, at, end)
    return ast.Call(name, arguments, name_at, at, end)


def _method(
    operand: ast.Node, name: str, arguments: tuple[ast.Node, ...], name_at: int, end: int
) -> ast.Node:
    form = macro_form(name, len(arguments))
    if form and (variables := _variables(arguments[: form[0]])):
        return ast.Macro(name, operand, variables, arguments[form[0] :], name_at, operand.at, end)
    return ast.Method(operand, name, arguments, name_at, operand.at, end)


def _variables(arguments: tuple[ast.Node, ...]) -> tuple[str, ...]:
    """The names that a macro binds; none when an argument is no plain name or two are equal."""
    names = tuple(item.name for item in arguments if isinstance(item, ast.Name) and not item.root)
    return names if len(names) == len(arguments) == len(set(names)) else ()


_WORDS = {"RPAR": ")", "RSQB": "]", "RBRACE": "}", "COMMA": ",", "COLON": ":"}


def _explain(error: UnexpectedInput, text: str) -> ExprError:
    """Lark's error in words, at its place."""
    place: Any = error.pos_in_stream
    if isinstance(error, UnexpectedCharacters):
        return _bad_character(place, text)
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return _bad_token(error, text)
    if not text.strip():
        return ExprError("cel.syntax", "the expression is empty", 0, max(len(text), 1))
    expected = _expected(error)
    return ExprError("cel.syntax", f"the expression ends too early{expected}", len(text.rstrip()))


def _bad_character(at: int, text: str) -> ExprError:
    character = text[at]
    if character in "'\"":
        hint = "close it, or write triple quotes for text of several lines"
        return ExprError(
            "cel.syntax", f"the string that begins with {character} is not closed", at, hint=hint
        )
    if character == "`":
        return ExprError("cel.syntax", "a quoted field name stands after a dot, as in a.`b-c`", at)
    if character in "=&|":
        use = character * 2
        return ExprError("cel.syntax", f"{character} is no operator", at, hint=f"use {use}")
    return ExprError("cel.syntax", f"unexpected character {character!r}", at)


def _bad_token(error: UnexpectedToken, text: str) -> ExprError:
    token = error.token
    at, end = _start(token), _end(token)
    before = text[:at].rstrip()
    if token.type == "LBRACE" and before and (before[-1].isalnum() or before[-1] == "_"):
        return ExprError(
            "cel.syntax", "CEL messages are not supported; write a map", at, end, 'as in {"a": 1}'
        )
    return ExprError("cel.syntax", f"unexpected {token!s}{_expected(error)}", at, end)


def _expected(error: UnexpectedInput) -> str:
    """What would close or continue the expression, if that is few things."""
    accepts = set(getattr(error, "accepts", None) or getattr(error, "expected", None) or ())
    if "IDENT" in accepts and "NUMBER" in accepts:
        return ": a value is missing"
    words = [word for name, word in _WORDS.items() if name in accepts]
    if accepts == {"IDENT"} or accepts <= {"IDENT", "QIDENT", "QMARK"}:
        words = ["a name"]
    return f", expected {' or '.join(words)}" if words else ""
