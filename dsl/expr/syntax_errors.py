"""Lark's syntax errors in words."""

from __future__ import annotations

from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from perdure.dsl.expr.errors import ExprError

_WORDS = {"RPAR": ")", "RSQB": "]", "RBRACE": "}", "COMMA": ",", "COLON": ":"}


def explained(error: UnexpectedInput, text: str) -> ExprError:
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
    at, end = _place(token)
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


def _place(token: Token) -> tuple[int, int]:
    """Where the token begins and ends; tokens of a text always know."""
    start, end = token.start_pos, token.end_pos
    assert start is not None
    assert end is not None
    return start, end
