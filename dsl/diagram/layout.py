"""Where everything stands: sizes from the inside out, then places from the outside in.

The flow is structured, so a picture is boxes in boxes: the steps of a lane one below the other, lanes side
by side as long as they fit, else in further rows. ``Metrics`` says how large things are: there is one for
pixels and one for characters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from perdure.dsl.diagram.outline import Lane, Outline, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """How large things are. ``measure`` gives the width of a text, and of one in bold.

    ``inset`` is the room inside a lane that has a label or a neighbour, ``back`` that for the way back of a
    loop. With ``whole``, every place is a whole number.
    """

    measure: Callable[[str, bool], float]
    line: float
    badge: float
    badge_inside: float
    badge_gap: float
    side: float
    above: float
    below: float
    gap: float
    between: float
    row_gap: float
    label: float
    label_side: float
    inset: float
    back: float
    least: float
    most: float
    page: float
    title: float
    whole: bool = False


@dataclass(slots=True, kw_only=True)
class Badge:
    """A short text with its place inside the box."""

    text: str
    x: float
    y: float
    width: float


@dataclass(slots=True, kw_only=True)
class Band:
    """A lane with its place. ``label`` is cut to its width; ``framed`` when it is to be told apart."""

    lane: Lane
    label: str
    framed: bool
    boxes: list[Box]
    top: float
    width: float
    height: float
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> float:
        """The line on which the steps stand."""
        return self.x + self.width / 2


@dataclass(slots=True, kw_only=True)
class Box:
    """A step with its place. ``lines`` are cut to its width; ``head`` is the height of its own words."""

    shape: Shape
    lines: list[str]
    badges: list[Badge]
    width: float
    height: float
    head: float
    rows: list[list[Band]] = field(default_factory=list)
    x: float = 0
    y: float = 0

    @property
    def middle(self) -> float:
        """The line on which connectors come and go."""
        return self.x + self.width / 2


@dataclass(slots=True, kw_only=True)
class Layout:
    """A whole picture: the steps of the workflow below the box with its name."""

    title: Box
    body: Band
    width: float
    height: float


def lay_out(outline: Outline, metrics: Metrics) -> Layout:
    """Give everything its place."""
    laying = _Laying(metrics)
    start = Shape(path="", kind="start", family="flow", title=outline.title, text=outline.summary)
    title = laying.box(start, metrics.page, metrics.title)
    body = laying.band(Lane(label="", steps=outline.steps), metrics.page, framed=False)
    width = max(title.width, body.width)
    title.x = laying.half(width - title.width)
    body.width = width
    laying.place(body, 0, title.height + metrics.gap)
    return Layout(title=title, body=body, width=width, height=body.y + body.height)


def cut(text: str, width: float, measure: Callable[[str, bool], float], *, bold: bool = False) -> str:
    """The text on one line, or as much of its beginning as fits, with an ellipsis."""
    text = " ".join(text.split())
    if measure(text, bold) <= width:
        return text
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if measure(text[:middle].rstrip() + "…", bold) <= width:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest].rstrip() + "…"


class _Laying:
    def __init__(self, metrics: Metrics) -> None:
        self._m = metrics

    # Sizes ------------------------------------------------------------------------------------

    def box(self, shape: Shape, room: float, most: float) -> Box:
        """A step with its size: words at most ``most`` wide, all of it ``room`` where that is possible."""
        m = self._m
        rows = self._rows(shape, room)
        inner = max((sum(b.width for b in row) + m.between * (len(row) - 1) for row in rows), default=0)
        widest = max(min(most, room - 2 * m.side), inner, m.least)
        words = [(shape.title, True), *([(shape.text, False)] if shape.text else [])]
        lines = [cut(text, widest, m.measure, bold=bold) for text, bold in words]
        badges, badge_rows = self._badges(shape.badges, widest)
        own = max(
            *(m.measure(line, bold) for line, (_, bold) in zip(lines, words, strict=True)),
            *(badge.x + badge.width for badge in badges),
            m.least,
        )
        width = max(own, inner)
        head = m.above + m.line * len(lines) + m.badge * badge_rows
        for badge in badges:
            badge.x += m.side
            badge.y += m.above + m.line * len(lines)
        for number, row in enumerate(rows):
            wrapped = number > 0 and len(rows) > len(shape.rows) and len(row) < len(rows[number - 1])
            self._widen(row, sum(b.width + m.between for b in row) - m.between if wrapped else width)
        tall = sum(max(band.height for band in row) + m.row_gap for row in rows)
        return Box(
            shape=shape,
            lines=lines,
            badges=badges,
            width=width + 2 * m.side,
            height=head + tall + m.below,
            head=head,
            rows=rows,
        )

    def band(self, lane: Lane, room: float, *, framed: bool) -> Band:
        """A lane with its size."""
        m = self._m
        inset = m.inset if framed else 0
        boxes = [self.box(step, room - 2 * inset, m.most) for step in lane.steps]
        wide = max((box.width for box in boxes), default=m.least)
        label = cut(lane.label, max(wide, min(m.most, room - 2 * inset)) - 2 * m.label_side, m.measure)
        tall = sum(box.height for box in boxes) + m.gap * max(len(boxes) - 1, 0)
        top = m.label if label else inset
        return Band(
            lane=lane,
            label=label,
            framed=framed,
            boxes=boxes,
            top=top,
            width=max(wide, m.measure(label, False) + 2 * m.label_side) + 2 * inset,
            height=top + tall + inset,
        )

    def _rows(self, shape: Shape, room: float) -> list[list[Band]]:
        m = self._m
        inside = room - 2 * m.side - (m.back if shape.back else 0)
        rows: list[list[Band]] = []
        for lanes in shape.rows:
            row: list[Band] = []
            for lane in lanes:
                band = self.band(lane, inside, framed=bool(lane.label) or len(lanes) > 1)
                if shape.back:
                    band.width += 2 * m.back
                    band.height += m.back
                if row and sum(b.width + m.between for b in row) + band.width > inside:
                    rows.append(row)
                    row = []
                row.append(band)
            rows.append(row)
        return rows

    def _widen(self, row: list[Band], width: float) -> None:
        """Bands share what is left of a row, and are as tall as the tallest."""
        left = width - sum(band.width for band in row) - self._m.between * (len(row) - 1)
        tallest = max(band.height for band in row)
        for number, band in enumerate(row):
            share = self.half(2 * left / (len(row) - number))
            band.width, left = band.width + share, left - share
            band.height = tallest

    def half(self, length: float) -> float:
        """The half, in whole numbers where that is wanted."""
        return length // 2 if self._m.whole else length / 2

    def _badges(self, texts: Sequence[str], width: float) -> tuple[list[Badge], int]:
        """Badges from left to right in as many rows as they need."""
        m = self._m
        badges: list[Badge] = []
        x, row = 0.0, 0
        for text in texts:
            shown = cut(text, width - 2 * m.badge_inside, m.measure)
            wide = m.measure(shown, False) + 2 * m.badge_inside
            if x and x + wide > width:
                x, row = 0.0, row + 1
            badges.append(Badge(text=shown, x=x, y=row * m.badge, width=wide))
            x += wide + m.badge_gap
        return badges, row + 1 if badges else 0

    # Places -----------------------------------------------------------------------------------

    def place(self, band: Band, x: float, y: float) -> None:
        """Put a lane, and all that is in it, where it belongs."""
        m = self._m
        band.x, band.y = x, y
        at = y + band.top
        for box in band.boxes:
            box.x, box.y = x + self.half(band.width - box.width), at
            at += box.height + m.gap
            below = box.y + box.head
            for row in box.rows:
                below += m.row_gap
                across = box.x + m.side
                for each in row:
                    self.place(each, across, below)
                    across += each.width + m.between
                below += max(each.height for each in row)
