"""Pictures of workflows: what they show, that they are whole, and where things stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from perdure.dsl import Source, load
from perdure.dsl.diagram import Picture, draw, svg, text
from perdure.dsl.diagram.layout import Box, Layout, Metrics, lay_out
from perdure.dsl.diagram.outline import Lane, Outline, Shape, outline
from perdure.dsl.model import Workflow
from tests.checkout import ROOT

CASES = ROOT / "tests" / "diagrams"
EXAMPLES = [*sorted(CASES.glob("*.yaml")), *sorted((ROOT / "workflows").rglob("*.perdure.yaml"))]
SVG = "{http://www.w3.org/2000/svg}"


class _Svg(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "svg"


class _Text(_Svg):
    file_extension = "txt"


class _Mermaid(_Svg):
    file_extension = "mmd"


def workflow(path: Path) -> Workflow:
    """The one workflow of a file."""
    return the_workflow(path.read_text("utf-8"))


def the_workflow(written: str) -> Workflow:
    """The one workflow of a text."""
    loaded = load(Source("w.perdure.yaml", written))
    (found,) = (each for each in loaded.documents if isinstance(each, Workflow))
    return found


def steps(body: str) -> Workflow:
    """A workflow with these steps."""
    return the_workflow(f"dsl: perdure/1\nname: w\nversion: 1.0.0\ndo:\n{body}")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize(
    ("picture", "extension"),
    [("svg", _Svg), ("ascii", _Text), ("mermaid", _Mermaid)],
    ids=["svg", "ascii", "mermaid"],
)
def test_pictures(path: Path, picture: Picture, extension: type[_Svg], snapshot: SnapshotAssertion) -> None:
    """A workflow gives the pictures that were looked at."""
    assert draw(workflow(path), picture) == snapshot(extension_class=extension)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.partition(".")[0])
def test_every_step_can_be_found_in_the_svg(path: Path) -> None:
    """Each step is a group with an id of its path and a title with all of its words."""
    whole = workflow(path)
    groups = {
        each.get("id"): each for each in ET.fromstring(draw(whole, "svg")).iter(f"{SVG}g") if each.get("id")
    }
    shapes = list(_shapes(outline(whole).steps))
    assert list(groups) == [f"n-{shape.path}" for shape in shapes]
    for shape in shapes:
        title = groups[f"n-{shape.path}"].findtext(f"{SVG}title")
        assert title == "\n".join(part for part in (shape.title, shape.text, *shape.badges) if part)


def test_svg_needs_no_style_and_no_script() -> None:
    """Nothing in it that a strict Content-Security-Policy would stop."""
    root = ET.fromstring(draw(workflow(CASES / "everything.yaml"), "svg"))
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        "svg", "title", "desc", "g", "rect", "text", "path"
    }  # fmt: skip
    assert not any(name == "style" or name.startswith("on") for each in root.iter() for name in each.attrib)


HOSTILE = (
    """</title><script>alert("x")</script> & ' `~ ]] %% end #quot; \x9f \N{RIGHT-TO-LEFT OVERRIDE} 日本"""
)


def test_hostile_words_are_only_words() -> None:
    """What an author writes is text in every picture, never markup."""
    quoted = json.dumps(HOSTILE)
    whole = steps(f"  - log: {{ message: {quoted} }}\n  - return: {quoted}\n")
    root = ET.fromstring(draw(whole, "svg"))
    assert not list(root.iter(f"{SVG}script"))
    assert "alert" in "".join(root.itertext())
    for line in draw(whole, "mermaid").splitlines():
        assert re.fullmatch(
            r' *(flowchart TD|n\d+ -->.*|n\d+\S*?"[^"<>&`;]*(?:(?:#\d+;|<br>)[^"<>&`;]*)*"\S*)', line
        ), line
    draw(whole, "ascii")


def test_text_is_ascii_where_nothing_else_is_shown() -> None:
    """Without Unicode every line is drawn with ASCII."""
    assert draw(workflow(CASES / "everything.yaml"), "ascii", unicode=False).isascii()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name.partition(".")[0])
def test_text_fits_a_hundred_columns(path: Path) -> None:
    """Branches that do not fit side by side go below each other."""
    assert max(map(len, draw(workflow(path), "ascii").splitlines())) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("picture", ["svg", "ascii", "mermaid"])
def test_two_thousand_steps_are_no_trouble(picture: Picture) -> None:
    """A long workflow is drawn whole, in text that grows with the number of steps and not faster."""
    short, long = (
        len(draw(steps("".join(f"  - s{i}: {{ call: A }}\n" for i in range(count))), picture))
        for count in (200, 2000)
    )
    assert long < 11 * short


def test_large_containers_are_closed() -> None:
    """Above the limit a container is one box that says how many steps it holds; below it is open."""
    whole = steps(
        "  - a: { call: A }\n  - b: { do: [{ c: { call: C } }, { d: { do: [{ e: { call: E } }] } }] }\n"
    )
    assert outline(whole, most=5).steps[1].rows
    closed = outline(whole, most=4).steps
    assert [each.title for each in closed] == ["a", "b"]
    assert (closed[1].rows, closed[1].hidden, closed[1].badges) == ((), 3, ("3 steps inside",))
    assert "3 steps inside" in draw(whole, "svg", most=4)


# Geometry -------------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=40)
LEAF = st.builds(
    Shape,
    path=st.just("p"),
    kind=st.just("call"),
    family=st.just("work"),
    title=WORDS,
    text=WORDS,
    badges=st.lists(WORDS, max_size=4).map(tuple),
    ends=st.booleans(),
)


def _containers(inside: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    lane = st.builds(Lane, label=WORDS, steps=st.lists(inside, max_size=3).map(tuple))
    row = st.lists(lane, min_size=1, max_size=6).map(tuple)
    return st.builds(
        lambda leaf, rows, back: replace(leaf, rows=rows, back=back),
        LEAF,
        st.lists(row, min_size=1, max_size=2).map(tuple),
        st.booleans(),
    )


SHAPES = st.lists(st.recursive(LEAF, _containers, max_leaves=25), max_size=5)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(SHAPES, st.sampled_from([svg.METRICS, text.METRICS]))
def test_boxes_stand_apart_and_inside(shapes: list[Shape], metrics: Metrics) -> None:
    """No two steps of a lane and no two lanes overlap; what is inside a step is inside its box."""
    layout = lay_out(Outline(title="t", summary="s", steps=tuple(shapes)), metrics)
    _check(layout.body.boxes, layout)
    for box in layout.body.boxes:
        assert box.x >= 0
        assert box.x + box.width <= layout.width + 1e-6
        assert box.y + box.height <= layout.height + 1e-6


@settings(max_examples=12, deadline=None)
@given(SHAPES)
def test_anything_can_be_drawn(shapes: list[Shape]) -> None:
    """Every outline is well-formed SVG, and text of its own size."""
    whole = Outline(title="t", summary="s", steps=tuple(shapes))
    ET.fromstring(svg.draw_svg(whole))
    layout = lay_out(whole, text.METRICS)
    assert text.draw_text(whole, unicode=True).count("\n") == layout.height


def _check(boxes: list[Box], layout: Layout) -> None:
    for before, after in pairwise(boxes):
        assert before.y + before.height < after.y
    for box in boxes:
        for badge in box.badges:
            assert badge.x + badge.width <= box.width
            assert badge.y < box.head
        low = box.y + box.head
        for row in box.rows:
            assert all(band.y >= low - 1e-6 for band in row)
            for left, right in pairwise(row):
                assert left.x + left.width <= right.x + 1e-6
            for band in row:
                assert band.x >= box.x
                assert band.x + band.width <= box.x + box.width + 1e-6
                for each in band.boxes:
                    assert band.x - 1e-6 <= each.x
                    assert each.x + each.width <= band.x + band.width + 1e-6
                    assert band.y <= each.y
                    assert each.y + each.height <= band.y + band.height + 1e-6
                _check(band.boxes, layout)
            low = max(band.y + band.height for band in row)
        assert low <= box.y + box.height + 1e-6


def _shapes(shapes: tuple[Shape, ...]) -> Iterator[Shape]:
    for shape in shapes:
        yield shape
        for row in shape.rows:
            for lane in row:
                yield from _shapes(lane.steps)
