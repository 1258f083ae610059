"""Texts that begin with a prefix, found by a range of an index."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement


def has_prefix(column: ColumnElement[str], prefix: str) -> Iterator[ColumnElement[bool]]:
    """What holds for a column whose text begins with a prefix. The column is compared by code points."""
    yield column >= prefix
    end = _after(prefix)
    if end is not None:
        yield column < end


def _after(prefix: str) -> str | None:
    """The first text, by code points, behind all that begin with the prefix; None if there is none."""
    for length in range(len(prefix), 0, -1):
        point = ord(prefix[length - 1]) + 1
        if point <= 0x10FFFF:
            # Half a surrogate pair is no text.
            return prefix[: length - 1] + chr(0xE000 if 0xD800 <= point <= 0xDFFF else point)
    return None
