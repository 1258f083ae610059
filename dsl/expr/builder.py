"""The tree that lark's parser builds as it reduces."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput

from perdure.dsl.expr import ast
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.functions import KEYWORDS, NAMESPACES, macro_form
from perdure.dsl.expr.literals import in_range, is_double, read_integer, read_string
from perdure.dsl.expr.syntax_errors import explained

_LONGEST_INTEGER = 100
"""Leading zeros are allowed, but Python refuses to read very many digits."""


def build(text: str) -> ast.Node:
    """The tree of one expression, of any size; raises ExprError ``cel.syntax``."""
    try:
        node: ast.Node = _lark().parse(text)
    except UnexpectedInput as error:
        raise explained(error, text) from None
    return node


@cache
def _lark() -> Any:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", keep_all_tokens=True, transformer=_Builder())


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
        in_range(parts[1])
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
        if len(token) > _LONGEST_INTEGER:
            message = f"the integer {token[:20]}… does not fit in 64 bits"
            raise ExprError("cel.syntax", message, _start(token), _end(token))
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
