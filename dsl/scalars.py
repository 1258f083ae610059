"""Scalars of YAML 1.2: what a plain one means (core schema), and where each character of one stands.

``text_map`` does not decode a scalar again. It walks over what is written, line by line, and finds each
piece in the decoded text; between pieces only white space (folding) may differ. When that fails, as it
could for line breaks that only YAML 1.1 knows, everything is mapped to the beginning of the scalar.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from perdure.dsl.source import Mark, Position, TextMap

_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?(?:\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_ODD = re.compile(r"[-+]?(?:0[0-9]+|[0-9]+(?:_[0-9]+)+(?:\.[0-9]+)?|0b[01]+)")
_BREAK = re.compile(r"\r\n?|\n")
_ESCAPE = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT64 = 2**63


class Resolved(NamedTuple):
    """The value of a plain scalar, with ``code`` and ``problem`` when there is something to say about it."""

    value: str | int | float | bool | None
    code: str = ""
    problem: str = ""


def resolve(text: str) -> Resolved:
    """What a plain scalar stands for. Dates, ``yes`` and ``no`` are text."""
    if text in _WORDS:
        return Resolved(_WORDS[text])
    if text[0] not in "-+.0123456789":
        return Resolved(text)
    if _NOT_FINITE.fullmatch(text):
        return Resolved(text, "PD117", f"JSON has no number {text}; leave it out, or quote it as text")
    value = _integer(text)
    if value is not None:
        return _checked(text, value)
    if _FLOAT.fullmatch(text):
        real = float(text)
        if real in (float("inf"), float("-inf")):
            return Resolved(text, "PD116", f"{text[:40]} is beyond the largest number, about 1.8e308")
        return Resolved(real)
    if _ODD.fullmatch(text):
        return Resolved(
            text, "PD801", f"{text} is text in YAML 1.2, not a number; write the digits alone or quote it"
        )
    return Resolved(text)


def _integer(text: str) -> int | None:
    # The length is looked at first: int() of very many digits is slow, and refused by Python.
    if _INTEGER.fullmatch(text):
        return int(text) if len(text.lstrip("+-0")) < 20 else _INT64
    if _OCTAL.fullmatch(text):
        return int(text, 0) if len(text) < 30 else _INT64
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 0) if len(text) < 30 else _INT64
    return None


def _checked(text: str, value: int) -> Resolved:
    if not -_INT64 <= value < _INT64:
        hint = "quote it to keep it as text"
        return Resolved(text, "PD116", f"{text[:40]} is beyond 64-bit integers; {hint}")
    if _ODD.fullmatch(text):
        return Resolved(value, "PD801", f"{text} is the number {value} in YAML 1.2; quote it if it is text")
    return Resolved(value)


class Lines:
    """Turns offsets of a text into lines and columns; only a line feed ends a line."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def position(self, offset: int) -> Position:
        """The place of the character at ``offset``."""
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1)


class _Piece(NamedTuple):
    """Characters of the decoded text and the offset in the file where they are written."""

    text: str
    offset: int


def text_map(value: str, style: str | None, written: str, start: int, lines: Lines) -> TextMap:
    """Where the characters of a scalar stand.

    ``written`` is the source of the scalar, with its quotes or block header, which begins at ``start``;
    ``style`` is YAML's: None for plain, else a quote, ``|`` or ``>``.
    """
    if style is None and "\n" not in written:
        return TextMap([Mark(0, *lines.position(start))])
    pieces = {"'": _single, '"': _double, "|": _block, ">": _block}.get(style or "", _plain)
    marks, at = [Mark(0, *lines.position(start))], 0
    for piece in pieces(written, start):
        while at < len(value) and value[at] in " \n" and not value.startswith(piece.text, at):
            at += 1
        if at >= len(value):
            break
        if not value.startswith(piece.text, at):
            return TextMap(marks[0]._replace(offset=offset) for offset in range(len(value) + 1))
        mark = Mark(at, *lines.position(piece.offset))
        if marks[-1].offset == at:
            marks[-1] = mark
        else:
            marks.append(mark)
        at += len(piece.text)
    return TextMap(marks)


def _written_lines(written: str, start: int) -> Iterator[_Piece]:
    for match in re.finditer("[^\r\n]+", written):
        yield _Piece(match[0], start + match.start())


def _plain(written: str, start: int) -> Iterator[_Piece]:
    for line in _written_lines(written, start):
        stripped = line.text.lstrip(" \t")
        if stripped:
            yield _Piece(stripped.rstrip(" \t"), line.offset + len(line.text) - len(stripped))


def _single(written: str, start: int) -> Iterator[_Piece]:
    for line in _flow_lines(written[1:-1], start + 1):
        offset = line.offset
        for part in re.split("('')", line.text):
            if part:
                yield _Piece("'" if part == "''" else part, offset)
            offset += len(part)


def _double(written: str, start: int) -> Iterator[_Piece]:
    for line in _flow_lines(written[1:-1], start + 1):
        at = 0
        for match in _ESCAPE.finditer(line.text):
            if match.start() > at:
                yield _Piece(line.text[at : match.start()], line.offset + at)
            yield _Piece(_unescape(match[0]), line.offset + match.start())
            at = match.end()
        rest = line.text[at:].removesuffix("\\")
        if rest:
            yield _Piece(rest, line.offset + at)


def _flow_lines(inside: str, start: int) -> Iterator[_Piece]:
    """The lines of a quoted scalar; white space at inner line ends is folding and left out."""
    breaks = [*_BREAK.finditer(inside)]
    at = 0
    for number, end in enumerate([*(match.start() for match in breaks), len(inside)]):
        text = inside[at:end]
        stripped = text.lstrip(" \t") if number else text
        indent = len(text) - len(stripped)
        if number < len(breaks):
            stripped = stripped.rstrip(" \t")
        yield _Piece(stripped, start + at + indent)
        at = breaks[number].end() if number < len(breaks) else end


def _block(written: str, start: int) -> Iterator[_Piece]:
    header, _, body = written.partition("\n")
    yield from _plain(body, start + len(header) + 1)


_NAMED = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r",
    "e": "\x1b", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip


def _unescape(escape: str) -> str:
    if len(escape) > 2:
        return chr(int("0x" + escape[2:], 0))
    return _NAMED.get(escape[1], escape[1])
