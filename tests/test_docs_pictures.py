"""The pictures of the pages are those of the workflows that the pages show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from perdure.dsl import Source, load
from perdure.dsl.diagram import draw
from perdure.dsl.model import Workflow
from tests.blocks import blocks
from tests.checkout import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = [
    (page.parent / found).resolve()
    for page in PAGES
    for found in re.findall(r'(?:src="|!\[[^\]]*\]\()([^")]+\.svg)', page.read_text("utf-8"))
]


def _workflows() -> dict[str, Workflow]:
    """The workflows of all pages, by name."""
    texts = [block.text for page in PAGES for block in blocks(page) if block.language == "yaml"]
    loaded = [load(Source("page", text)) for text in texts if text.startswith("dsl:")]
    return {each.name: each for found in loaded for each in found.documents if isinstance(each, Workflow)}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_pictures_are_current(picture: Path, pytestconfig: pytest.Config) -> None:
    """A picture NAME.svg is what ``perdure diagram`` draws of the workflow NAME of the pages."""
    drawn = draw(_workflows()[picture.stem], "svg")
    if pytestconfig.getoption("update_snapshots"):
        picture.write_text(drawn, "utf-8")
    assert picture.read_text("utf-8") == drawn
