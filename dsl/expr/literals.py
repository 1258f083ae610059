"""Reading CEL's number and string literals.

Offsets in the errors are counted from the first character of the literal.
"""

from __future__ import annotations

import re

from perdure.dsl.expr import ast
from perdure.dsl.expr.errors import ExprError

INT_MIN, INT_MAX, UINT_MAX = -(2**63), 2**63 - 1, 2**64 - 1

_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", "?": "?", "'": "'", '"': '"', "`": "`",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([abfnrtv\\?'\"`]))",
    re.DOTALL,
)


def read_integer(text: str) -> tuple[int, bool]:
    """The value of an integer literal without sign, and whether it is unsigned; the range is not checked."""
    unsigned = text[-1] in "uU"
    digits = text[:-1] if unsigned else text
    return int(digits, 16 if digits[:2] in ("0x", "0X") else 10), unsigned


def is_double(text: str) -> bool:
    """Whether a NUMBER token is a double."""
    return text[:2] not in ("0x", "0X") and any(mark in text for mark in ".eE")


def read_string(text: str) -> str | bytes:
    """The value of a STRING token: text, or bytes when its prefix has a ``b``."""
    quote = min(position for position in (text.find("'"), text.find('"')) if position >= 0)
    prefix = text[:quote].lower()
    width = 3 if text[quote : quote + 3] in ('"""', "'''") and len(text) >= quote + 6 else 1
    start = quote + width
    body = text[start : len(text) - width]
    if width == 3:
        _refuse_surrogates(body, start)
    if "r" in prefix:
        return body.encode() if "b" in prefix else body
    if "b" in prefix:
        return _decode_bytes(body, start)
    return _decode_text(body, start)


def _refuse_surrogates(body: str, start: int) -> None:
    for offset, character in enumerate(body):
        if 0xD800 <= ord(character) <= 0xDFFF:
            raise ExprError("cel.syntax", "a lone surrogate is not a character", start + offset)


def _pieces(body: str, start: int) -> list[tuple[int, re.Match[str] | str]]:
    """The body as plain runs and matched escapes, each with its offset; refuses what is no escape."""
    pieces: list[tuple[int, re.Match[str] | str]] = []
    at = 0
    while (slash := body.find("\\", at)) >= 0:
        if slash > at:
            pieces.append((at, body[at:slash]))
        match = _ESCAPE.match(body, slash)
        if match is None:
            raise ExprError(
                "cel.syntax",
                f"unknown escape {body[slash : slash + 2]!r} in a string",
                start + slash,
                start + slash + 2,
                hint=r"write \\ for a backslash, or a raw string r'...'",
            )
        pieces.append((slash, match))
        at = match.end()
    pieces.append((at, body[at:]))
    return pieces


def _decode_text(body: str, start: int) -> str:
    if "\\" not in body:
        _refuse_surrogates(body, start)
        return body
    decoded = []
    for at, piece in _pieces(body, start):
        if isinstance(piece, str):
            _refuse_surrogates(piece, start + at)
            decoded.append(piece)
            continue
        short, four, eight, octal, simple = piece.groups()
        code = ord(_SIMPLE[simple]) if simple else int(octal, 8) if octal else int(short or four or eight, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise ExprError(
                "cel.syntax", f"{piece.group()} is not a character", start + at, start + piece.end()
            )
        decoded.append(chr(code))
    return "".join(decoded)


def _decode_bytes(body: str, start: int) -> bytes:
    decoded = bytearray()
    for at, piece in _pieces(body, start):
        if isinstance(piece, str):
            _refuse_surrogates(piece, start + at)
            decoded += piece.encode()
            continue
        short, four, eight, octal, simple = piece.groups()
        if four or eight:
            raise ExprError(
                "cel.syntax",
                f"{piece.group()} is not allowed in bytes",
                start + at,
                start + piece.end(),
                hint=r"write the octets as \x..",
            )
        decoded.append(ord(_SIMPLE[simple]) if simple else int(octal, 8) if octal else int(short, 16))
    return bytes(decoded)


def in_range(node: ast.Node) -> None:
    """Refuse integer literals out of range; late, because a minus before the digits counts."""
    match node:
        case ast.Int(value) if not INT_MIN <= value <= INT_MAX:
            message = f"the integer {value} does not fit in 64 bits"
            raise ExprError("cel.syntax", message, node.at, node.end, "write it as a double: 1e19")
        case ast.Uint(value) if value > UINT_MAX:
            raise ExprError("cel.syntax", f"the integer {value}u does not fit in 64 bits", node.at, node.end)
