"""The outline as a Mermaid flowchart, for README files and pull requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count

from perdure.dsl.diagram.outline import Lane, Outline, Shape

_SPECIAL = re.compile(r"""[^ -~\xa1-\ud7ff]|["#&<>`*\\;%]|^[-+]|(?<=^[0-9])\.|(?<=^[0-9][0-9])\.""")
"""What has a meaning in a label: to Mermaid, to HTML, and to Markdown."""
_FORMS = {"wait": ("([", "])"), "end": ("([", "])"), "fail": ("([", "])"), "data": ("[/", "/]")}
_MOST = 60


def draw_mermaid(outline: Outline) -> str:
    """The text of a ``mermaid`` block."""
    return "\n".join(_Drawing().flowchart(outline)) + "\n"


class _Drawing:
    """Numbers the nodes: no name of the author's is an id."""

    def __init__(self) -> None:
        self._numbers = count()
        self._edges: list[str] = []

    def flowchart(self, outline: Outline) -> Iterator[str]:
        """All lines: nodes and subgraphs first, then the edges."""
        yield "flowchart TD"
        start = self._id()
        yield f'  {start}(["{_label(outline.title)}"])'
        ids: list[str] = []
        yield from self._steps(outline.steps, "  ", ids)
        if ids:
            self._edges.append(f"{start} --> {ids[0]}")
        yield from (f"  {edge}" for edge in self._edges)

    def _id(self) -> str:
        return f"n{next(self._numbers)}"

    def _steps(self, steps: Sequence[Shape], indent: str, ids: list[str]) -> Iterator[str]:
        """The steps of a lane; their ids are added to ``ids``."""
        for number, shape in enumerate(steps):
            ids.append(self._id())
            yield from self._step(shape, ids[-1], indent)
            if number and not steps[number - 1].ends:
                arrow = "-.->" if shape.optional else "-->"
                self._edges.append(f"{ids[number - 1]} {arrow} {ids[number]}")

    def _step(self, shape: Shape, id: str, indent: str) -> Iterator[str]:
        if not shape.rows:
            before, after = _FORMS.get(shape.family, ("[", "]"))
            if shape.hidden:
                before, after = "[[", "]]"
            yield f'{indent}{id}{before}"{_words(shape)}"{after}'
            return
        yield f'{indent}subgraph {id}["{_label(" · ".join(_parts(shape)))}"]'
        yield f"{indent}  direction TB"
        lanes = [lane for row in shape.rows for lane in row]
        for lane in lanes:
            yield from self._lane(lane, shape, indent + "  ", alone=len(lanes) == 1 and not lane.label)
        yield f"{indent}end"

    def _lane(self, lane: Lane, shape: Shape, indent: str, *, alone: bool) -> Iterator[str]:
        ids: list[str] = []
        if alone:
            yield from self._steps(lane.steps, indent, ids)
        else:
            yield f'{indent}subgraph {self._id()}["{_label(lane.label)}"]'
            yield f"{indent}  direction TB"
            yield from self._steps(lane.steps, indent + "  ", ids)
            yield f"{indent}end"
        if shape.back and ids:
            self._edges.append(f"{ids[-1]} -. again .-> {ids[0]}")


def _parts(shape: Shape) -> list[str]:
    return [part for part in (shape.title, shape.text, *shape.badges) if part]


def _words(shape: Shape) -> str:
    return "<br>".join(map(_label, _parts(shape)))


def _label(text: str) -> str:
    """Text for between quotes: whatever could mean something is a character's number."""
    text = " ".join(text.split())
    shown = text if len(text) <= _MOST else text[: _MOST - 1] + "…"
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", shown) or " "
