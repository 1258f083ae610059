"""The layout as SVG that can stand alone or in a page.

Colours are attributes, so that a picture needs no style sheet and passes a strict Content-Security-Policy;
each step is a group with the id ``n-<path>`` and classes (``step``, its family, its kind), so that a style
sheet of a page can overrule them and colour states. Text stands in filled boxes only: it can be read on a
light and on a dark page.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from perdure.dsl.diagram.layout import Band, Box, Layout, Metrics, lay_out
from perdure.dsl.diagram.outline import Outline, Shape

_COLORS = {
    "work": ("#0969da", "#ddf4ff"),
    "wait": ("#8a5a00", "#fff9d9"),
    "data": ("#57606a", "#eaeef2"),
    "flow": ("#57606a", "#f6f8fa"),
    "repeat": ("#8250df", "#f7f0ff"),
    "guard": ("#a0417c", "#fff2f9"),
    "end": ("#1a7f37", "#dafbe1"),
    "fail": ("#cf222e", "#ffebe9"),
}
"""Of each family the dark and the light colour."""
_INK, _FADED, _PAPER, _LINE, _FRAME = "#1f2328", "#57606a", "#ffffff", "#8b949e", "#d0d7de"
_FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_SIZE, _SMALL = 13, 11
_MARGIN, _DOT = 16, 8
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_NARROW, _THIN, _BROAD = frozenset("iljI.,:;'|!`"), frozenset('frt()[]{}/\\ -"*'), frozenset("mwMW@%—…")


def _em(char: str, *, bold: bool) -> float:
    """About how wide a character is in a common sans-serif font, rather too wide than too narrow."""
    if char in _NARROW:
        return 0.3
    if char in _THIN:
        return 0.41
    if char in _BROAD:
        return 0.95
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    if unicodedata.combining(char):
        return 0.0
    return (0.72 if char.isupper() else 0.6) + (0.03 if bold else 0)


def _measure(text: str, bold: bool) -> float:
    # Whole numbers, since newer Pythons add fractions more exactly than older ones.
    return round(math.fsum(_em(char, bold=bold) for char in text) * _SIZE)


METRICS = Metrics(
    measure=_measure,
    line=18,
    badge=22,
    badge_inside=7,
    badge_gap=6,
    side=16,
    above=9,
    below=9,
    gap=26,
    between=12,
    row_gap=10,
    label=24,
    label_side=0,
    inset=10,
    back=18,
    least=96,
    most=300,
    page=1160,
    title=520,
)


def draw_svg(outline: Outline) -> str:
    """A whole SVG document."""
    layout = lay_out(outline, METRICS)
    return "\n".join(_document(outline, layout)) + "\n"


def _document(outline: Outline, layout: Layout) -> Iterator[str]:
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    if not _has_ended(layout):
        height += METRICS.gap + 2 * _DOT
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="perdure-diagram" role="img"'
        f' width="{_n(width)}" height="{_n(height)}"'
        f' viewBox="{_n(-_MARGIN)} {_n(-_MARGIN)} {_n(width)} {_n(height)}"'
        f' font-family={_attribute(_FONT)} font-size="{_SIZE}">'
    )
    yield f"<title>{_text(outline.title)}</title>"
    if outline.summary:
        yield f"<desc>{_text(outline.summary)}</desc>"
    yield from _start(layout.title)
    if layout.body.boxes:
        yield _arrow(layout.body.middle, layout.title.height, layout.body.y)
        yield from _steps(layout.body)
    yield from _end(layout)
    yield "</svg>"


def _start(box: Box) -> Iterator[str]:
    yield '<g class="start">'
    yield _rectangle(box.x, box.y, box.width, box.height, 20, _INK, _LINE)
    for number, line in enumerate(box.lines):
        weight = ' font-weight="600"' if number == 0 else ""
        fill = _PAPER if number == 0 else _FRAME
        y = METRICS.above + METRICS.line * number + _SIZE
        place = f'x="{_n(box.middle)}" y="{_n(y)}" text-anchor="middle"'
        yield f'<text {place} fill="{fill}"{weight}>{_text(line)}</text>'
    yield "</g>"


def _end(layout: Layout) -> Iterator[str]:
    """The end of a workflow, where its last step leads there."""
    if _has_ended(layout):
        return
    boxes = layout.body.boxes
    middle, above = layout.body.middle, boxes[-1].y + boxes[-1].height if boxes else layout.title.height
    yield _arrow(middle, above, above + METRICS.gap)
    yield (
        f'<circle class="end" cx="{_n(middle)}" cy="{_n(above + METRICS.gap + _DOT)}" r="{_DOT - 1}"'
        f' fill="{_LINE}" stroke="{_PAPER}" stroke-width="2"/>'
    )


def _has_ended(layout: Layout) -> bool:
    """Whether nothing comes after the last step."""
    boxes = layout.body.boxes
    return bool(boxes) and boxes[-1].shape.ends


def _steps(band: Band) -> Iterator[str]:
    for number, box in enumerate(band.boxes):
        if number:
            before = band.boxes[number - 1]
            if not before.shape.ends:
                yield _arrow(band.middle, before.y + before.height, box.y)
        yield from _step(box)


def _step(box: Box) -> Iterator[str]:
    shape = box.shape
    dark, light = _COLORS[shape.family]
    filled = light if box.rows or shape.hidden else _PAPER
    dashes = ' stroke-dasharray="5 3"' if shape.optional else ""
    yield f'<g id={_attribute("n-" + shape.path)} class="step {shape.family} {_attribute(shape.kind)[1:-1]}">'
    yield f"<title>{_text(_told(shape))}</title>"
    if shape.many or shape.hidden:
        yield _rectangle(box.x + 4, box.y + 4, box.width, box.height, 9, light, dark, name="behind")
    yield _rectangle(box.x, box.y, box.width, box.height, 9, filled, dark, dashes, name="frame")
    yield (
        f'<rect class="mark" x="{_n(box.x + 6)}" y="{_n(box.y + 9)}" width="4"'
        f' height="{_n(max(box.head - 10, 8))}" rx="2" fill="{dark}"/>'
    )
    yield from _words(box, dark, light if filled == _PAPER else _PAPER)
    for row in box.rows:
        for band in row:
            yield from _lane(band, dark, back=shape.back)
    yield "</g>"


def _words(box: Box, dark: str, light: str) -> Iterator[str]:
    x = _n(box.x + METRICS.side)
    for number, line in enumerate(box.lines):
        y = _n(box.y + METRICS.above + METRICS.line * number + _SIZE)
        look = f'fill="{_INK}" font-weight="600"' if number == 0 else f'fill="{_FADED}"'
        yield f'<text x="{x}" y="{y}" {look}>{_text(line)}</text>'
    for badge in box.badges:
        left, top = box.x + badge.x, box.y + badge.y + 2
        yield (
            f'<rect class="badge" x="{_n(left)}" y="{_n(top)}" width="{_n(badge.width)}" height="17"'
            f' rx="8.5" fill="{light}"/>'
        )
        yield (
            f'<text x="{_n(left + badge.width / 2)}" y="{_n(top + 12.5)}" text-anchor="middle"'
            f' font-size="{_SMALL}" fill="{dark}">{_text(badge.text)}</text>'
        )


def _lane(band: Band, dark: str, *, back: bool) -> Iterator[str]:
    yield '<g class="lane">'
    if band.framed:
        yield _rectangle(band.x, band.y, band.width, band.height, 7, _PAPER, _FRAME)
    if band.label:
        y = _n(band.y + 16)
        yield (
            f'<text class="label" x="{_n(band.middle)}" y="{y}" text-anchor="middle" font-size="{_SMALL}"'
            f' font-weight="600" fill="{dark}">{_text(band.label)}</text>'
        )
    if back and band.boxes:
        yield _back(band)
    yield from _steps(band)
    yield "</g>"


def _back(band: Band) -> str:
    """From the last step round to the first: this lane runs again."""
    first, last = band.boxes[0], band.boxes[-1]
    left, bottom, top = band.x + METRICS.back / 2, last.y + last.height, first.y + min(first.height, 28) / 2
    low = bottom + METRICS.back / 2 - 1
    points = [(band.middle, bottom), (band.middle, low), (left, low), (left, top), (first.x, top)]
    path = " ".join(f"{'L' if number else 'M'}{_n(x)} {_n(y)}" for number, (x, y) in enumerate(points))
    head = f"M{_n(first.x - 5)} {_n(top - 3.5)} L{_n(first.x)} {_n(top)} L{_n(first.x - 5)} {_n(top + 3.5)}"
    return f'<path class="edge back" d="{path} {head}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>'


def _arrow(x: float, start: float, end: float) -> str:
    head = f"M{_n(x - 3.5)} {_n(end - 6)} L{_n(x)} {_n(end - 1)} L{_n(x + 3.5)} {_n(end - 6)}"
    return (
        f'<path class="edge" d="M{_n(x)} {_n(start)} L{_n(x)} {_n(end - 1)} {head}"'
        f' fill="none" stroke="{_LINE}" stroke-width="1.5"/>'
    )


def _rectangle(
    x: float,
    y: float,
    width: float,
    height: float,
    round_: float,
    fill: str,
    stroke: str,
    more: str = "",
    name: str = "frame",
) -> str:
    return (
        f'<rect class="{name}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        f' rx="{_n(round_)}" fill="{fill}" stroke="{stroke}"{more}/>'
    )


def _told(shape: Shape) -> str:
    """All that a step's box says, uncut."""
    return "\n".join(part for part in (shape.title, shape.text, *shape.badges) if part)


def _n(number: float) -> str:
    """A number with at most one decimal."""
    return f"{round(number, 1):g}" if abs(number) < 100_000 else f"{number:.0f}"


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))


def _attribute(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", text))
