"""The one layout of workflow files: nothing is lost, nothing changes its meaning, and twice is as once."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from perdure.dsl import Source, document_digest, load
from perdure.dsl.format import KEYS_OF_STEPS, format_source
from perdure.dsl.schema import schema
from tests.blocks import blocks
from tests.checkout import ROOT

CORPUS = sorted((ROOT / "tests" / "corpus" / "ok").glob("*.yaml"))
EXAMPLES = sorted((ROOT / "workflows").rglob("*.perdure.yaml"))
FILES = {path.stem: path.read_text("utf-8") for path in [*CORPUS, *EXAMPLES]}
ON_PAGES = {
    f"{block.page.name}:{block.line}": block.text
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for block in blocks(page)
    if block.language == "yaml" and block.text.startswith(("dsl:", "#"))
}
HEADER = "dsl: perdure/1\nname: w\nversion: 1.0.0\n"


def formatted(text: str) -> str:
    """The text in the one layout; it must not have mistakes of syntax."""
    found = format_source(Source("w.perdure.yaml", text))
    assert not found.diagnostics
    return found.text


def body(steps: str) -> str:
    """What becomes of the steps of a workflow."""
    return formatted(f"{HEADER}do:\n{steps}").removeprefix(f"{HEADER}do:\n")


def digests(text: str) -> list[str]:
    """What a file means."""
    return [document_digest(each) for each in load(Source("w", text)).documents]


@pytest.mark.parametrize("text", {**FILES, **ON_PAGES}.values(), ids={**FILES, **ON_PAGES}.keys())
def test_formatting_keeps_meaning_and_is_done_once(text: str) -> None:
    """Each good file means the same afterwards, and is left alone the second time."""
    once = formatted(text)
    assert formatted(once) == once
    assert digests(once) == digests(text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_formatted(path: Path) -> None:
    """The examples that are shipped are in the layout that they teach."""
    assert formatted(path.read_text("utf-8")) == path.read_text("utf-8")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=6)


@st.composite
def commented(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A good file with comments put into it anywhere, and what they are: no two are the same."""
    lines = draw(st.sampled_from(list(FILES.values()))).splitlines()
    text: list[str] = []
    found: list[str] = []

    def comment() -> str:
        found.append(f"#c{len(found)};{draw(WORDS)}")
        return found[-1]

    for line in lines:
        for _ in range(draw(st.sampled_from([0] * 9 + [1, 2]))):
            text.append(" " * draw(st.integers(0, 12)) + comment())
        if draw(st.sampled_from([False] * 9 + [True])):
            text.append("")
        gap = draw(st.sampled_from([0] * 15 + [1, 2, 9]))
        text.append(f"{line}{' ' * gap}{comment()}" if gap else line)
    return "\n".join(text) + draw(st.sampled_from(["", "\n", "\n\n"])), found


@settings(max_examples=200, deadline=None)
@given(commented())
def test_comments_survive_wherever_they_stand(case: tuple[str, list[str]]) -> None:
    """Every comment is there afterwards, once; nothing changes the second time."""
    text, comments = case
    found = format_source(Source("w", text))
    if found.diagnostics:  # a comment tore a text of several lines apart
        assert found.text == text
        return
    assert [each for each in comments if found.text.count(each) != 1] == []
    assert formatted(found.text) == found.text
    assert digests(found.text) == digests(text)


DATA = [list(YAML(typ="safe", pure=True).load_all(text)) for text in FILES.values()]


@st.composite
def laid_out(draw: st.DrawFn) -> str:
    """A good file as some other program would write it."""
    documents = draw(st.sampled_from(DATA))
    if draw(st.booleans()):
        indent = draw(st.sampled_from([None, 0, 1, 4]))
        return "\n---\n".join(json.dumps(each, indent=indent) for each in documents)
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = draw(st.sampled_from([True, False, None]))
    yaml.width = draw(st.sampled_from([20, 80, 1000]))
    yaml.indent = draw(st.sampled_from([2, 4, 7]))
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue()


@settings(max_examples=200, deadline=None)
@given(laid_out())
def test_layouts_of_other_writers_become_the_one(text: str) -> None:
    """However a file was laid out, it means the same in the one layout, which is then left alone."""
    once = formatted(text)
    assert formatted(once) == once
    assert digests(once) == digests(text) != []
