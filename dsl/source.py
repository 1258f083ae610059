"""Where every part of a document came from.

Lines and columns count from 1, columns in Unicode code points. Offsets count code points from 0.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple


class Position(NamedTuple):
    """A place between two characters of a file."""

    line: int
    column: int


class Span(NamedTuple):
    """A stretch of a file; ``end`` is the place after its last character."""

    start: Position
    end: Position

    @classmethod
    def at(cls, line: int, column: int, length: int = 1) -> Span:
        """The span of ``length`` characters on one line."""
        return cls(Position(line, column), Position(line, column + length))


class Mark(NamedTuple):
    """From ``offset`` of a scalar's value on, characters stand at ``line``, ``column`` and after."""

    offset: int
    line: int
    column: int


class TextMap(tuple[Mark, ...]):
    """Maps an offset in a scalar's *value* to its place in the file.

    Values differ from what is written (escapes, folding, indentation), so the map is piecewise:
    each mark holds until the next one. The first mark has offset 0.
    """

    __slots__ = ()

    def position(self, offset: int) -> Position:
        """The place of the value's character ``offset``."""
        mark = self[max(bisect_right(self, offset, key=lambda mark: mark.offset) - 1, 0)]
        return Position(mark.line, mark.column + max(offset - mark.offset, 0))

    def part(self, start: int, end: int | None = None) -> TextMap:
        """The map of the value's part from ``start`` to ``end``, with offsets counted from there.

        Positions up to ``end`` itself are right: an error may stand behind the last character.
        """
        first = self.position(start)
        low = bisect_right(self, start, key=lambda mark: mark.offset)
        high = len(self) if end is None else bisect_right(self, end, key=lambda mark: mark.offset)
        later = (Mark(m.offset - start, m.line, m.column) for m in self[low:high])
        return TextMap((Mark(0, *first), *later))


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file and the name that people know it by."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """The text of a line, without its end; empty beyond the last."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""
