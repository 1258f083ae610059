"""Lark's syntax errors in words."""

from __future__ import annotations

import re
from typing import Any

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.foreign import SIGNS, WORDS

_SAFE_FIELD = re.compile(r"(?P<before>\w[\w.]{0,80}|[])])\?\.(?P<field>[A-Za-z_]\w*)")
_SLICED = re.compile(r"(?P<list>[A-Za-z_][\w.]{0,80})\[(?P<first>[^][:]{0,80})$")
_WORDS = {"RPAR": ")", "RSQB": "]", "RBRACE": "}", "COMMA": ",", "COLON": ":"}


def explained(error: UnexpectedInput, text: str) -> ExprError:
    """Lark's error in words, at its place."""
    place: Any = error.pos_in_stream
    if found := _SAFE_FIELD.search(text):
        at, before = found.end("before"), "x" if found["before"] in ")]" else found["before"]
        hint = f"write {before}.?{found['field']}"
        return ExprError("cel.syntax", "?. is no operator", at, at + 2, hint)
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
    if foreign := _foreign_sign(at, text):
        return foreign
    if character in "'\"":
        hint = "close it, or write triple quotes for text of several lines"
        return ExprError(
            "cel.syntax", f"the string that begins with {character} is not closed", at, hint=hint
        )
    if character == "`":
        hint = "text is in ' or \"; join texts with +"
        return ExprError("cel.syntax", "a quoted field name stands after a dot, as in a.`b-c`", at, hint=hint)
    if character == "$":
        hint = "names are written without it: input.name"
        return ExprError("cel.syntax", "$ has no meaning in an expression", at, hint=hint)
    if character == "|":
        hint = "'or' is ||; there are no pipes: write size(x), x.trim(), …"
        return ExprError("cel.syntax", "| is no operator", at, hint=hint)
    if character in "=&":
        use = character * 2
        return ExprError("cel.syntax", f"{character} is no operator", at, hint=f"use {use}")
    return ExprError("cel.syntax", f"unexpected character {character!r}", at)


def _bad_token(error: UnexpectedToken, text: str) -> ExprError:
    token = error.token
    at, end = _place(token)
    before = text[:at].rstrip()
    if foreign := _foreign_sign(at, text):
        return foreign
    if hint := _foreign_word(token.value, before, text):
        return ExprError("cel.syntax", f"unexpected {token!s}", at, end, hint)
    if token.type == "COLON" and (sliced := _SLICED.search(before)):
        name, first = sliced["list"], sliced["first"].strip() or "0"
        last = text[end:].partition("]")[0].strip() or f"{name}.size()"
        return ExprError(
            "cel.syntax", "a list is not cut with ':'", at, end, f"write {name}.slice({first}, {last})"
        )
    if token.type == "LBRACE" and before and (before[-1].isalnum() or before[-1] == "_"):
        return ExprError(
            "cel.syntax", "CEL messages are not supported; write a map", at, end, 'as in {"a": 1}'
        )
    return ExprError("cel.syntax", f"unexpected {token!s}{_expected(error)}", at, end)


def _foreign_sign(at: int, text: str) -> ExprError | None:
    """An operator of another language that the place is in."""
    for sign, hint in SIGNS.items():
        start = max(at - len(sign) + 1, 0)
        found = text.find(sign, start, at + len(sign))
        if found >= 0:
            return ExprError("cel.syntax", f"{sign} is no operator", found, found + len(sign), hint)
    return None


def _foreign_word(word: str, before: str, text: str) -> str | None:
    """What to write for a word that is an operator elsewhere."""
    if re.search(r"(^|[^\w.])not$", before):
        return "write !x"
    if text.lstrip().startswith("{") and word in ("{", "}"):
        return "one brace is enough: ${ … }"
    if word[:1] in "'\"" and re.search(r"(^|\W)f$", before):
        return "there are no f-strings; join texts with +, or write ${ } in a YAML text"
    return WORDS.get(word)


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
