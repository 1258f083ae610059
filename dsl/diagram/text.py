"""The layout in characters, for terminals: boxes drawn with lines, in 100 columns where that is possible."""

from __future__ import annotations

import unicodedata

from perdure.dsl.diagram.layout import Band, Box, Metrics, lay_out
from perdure.dsl.diagram.outline import Outline

_PLAIN = str.maketrans("╭╮╰╯┌┐└┘─│▼·×…", "++++++++-|v-x.")
_CLOSED, _OPEN = "╭╮╰╯", "┌┐└┘"


def _width(char: str) -> int:
    if unicodedata.combining(char) or not char.isprintable():
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _measure(text: str, bold: bool) -> float:
    return sum(map(_width, text))


METRICS = Metrics(
    measure=_measure,
    line=1,
    badge=1,
    badge_inside=0,
    badge_gap=3,
    side=2,
    above=1,
    below=1,
    gap=1,
    between=2,
    row_gap=0,
    label=1,
    label_side=2,
    inset=0,
    back=0,
    least=8,
    most=56,
    page=100,
    title=96,
    whole=True,
)


def draw_text(outline: Outline, *, unicode: bool = True) -> str:
    """The picture as lines of text."""
    layout = lay_out(outline, METRICS)
    canvas = _Canvas(int(layout.width), int(layout.height))
    canvas.box(layout.title)
    if layout.body.boxes:
        canvas.text(int(layout.body.middle), int(layout.title.height), "▼")
    canvas.steps(layout.body)
    text = canvas.shown()
    return text if unicode else text.translate(_PLAIN)


class _Canvas:
    """A grid of characters; a broad one takes two cells, of which the second is empty."""

    def __init__(self, width: int, height: int) -> None:
        self._cells = [[" "] * width for _ in range(height)]

    def shown(self) -> str:
        """All of it, without white space at the ends of lines."""
        return "".join("".join(row).rstrip() + "\n" for row in self._cells)

    def text(self, x: int, y: int, text: str) -> None:
        """Write from a place to the right."""
        for char in text:
            width = _width(char)
            if width:
                self._cells[y][x : x + width] = [char, *[""] * (width - 1)]
            x += width

    def steps(self, band: Band) -> None:
        """The steps of a lane with what connects them."""
        for number, box in enumerate(band.boxes):
            if number and not band.boxes[number - 1].shape.ends:
                self.text(int(band.middle), int(box.y) - 1, "▼")
            self.box(box)

    def box(self, box: Box) -> None:
        """A step and all that is in it."""
        left, top, width, height = int(box.x), int(box.y), int(box.width), int(box.height)
        corners = _OPEN if box.rows else _CLOSED
        line = "─" * (width - 2)
        self.text(left, top, corners[0] + line + corners[1])
        self.text(left, top + height - 1, corners[2] + line + corners[3])
        for y in range(top + 1, top + height - 1):
            self.text(left, y, "│")
            self.text(left + width - 1, y, "│")
        word = " repeats " if box.shape.back else " many at once " if box.shape.many else ""
        if word and len(word) + 4 <= width:
            self.text(left + width - 2 - len(word), top, word)
        self._words(box)
        for row in box.rows:
            for band in row:
                self._lane(band)

    def _words(self, box: Box) -> None:
        left, top = int(box.x), int(box.y)
        for number, line in enumerate(box.lines):
            self.text(left + 2, top + 1 + number, line)
        for badge in box.badges:
            x, y = left + int(badge.x), top + int(badge.y)
            if badge.x > METRICS.side:
                self.text(x - 2, y, "·")
            self.text(x, y, badge.text)

    def _lane(self, band: Band) -> None:
        if band.label:
            shown = f" {band.label} ".center(int(band.width), "─")[: int(band.width)]
            self.text(int(band.x), int(band.y), shown)
        self.steps(band)
