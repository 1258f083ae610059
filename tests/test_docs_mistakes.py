"""``docs/mistakes.md``: each file that is shown is answered with exactly the message that is shown."""

from __future__ import annotations

import re

import pytest

from perdure.dsl import Signature, Source, check_activities, format_diagnostics, load
from tests.checkout import ROOT

PAGE = ROOT / "docs" / "mistakes.md"
ACTIVITIES = {"ChargeCard": Signature(("order", "amount"), frozenset({"order", "amount"}))}
SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
PAIR = re.compile(
    r"(?P<remark><!-- [^\n]* -->)\n```yaml\n(?P<file>.*?)```\n\n```text\n(?P<shown>.*?)```",
    re.DOTALL,
)


def said(pair: re.Match[str]) -> str:
    """What ``validate --output-format concise`` prints of a file of the page."""
    source = Source("order.perdure.yaml", pair["file"])
    found = load(source)
    diagnostics = list(found.diagnostics)
    if "activities known" in pair["remark"]:
        for workflow in found.workflows:
            diagnostics += check_activities(workflow, ACTIVITIES)
    return format_diagnostics(diagnostics, [source], "concise")


def answered(pair: re.Match[str]) -> str:
    """A file of the page with what is printed of it now."""
    return pair[0].removesuffix(f"{pair['shown']}```") + f"{said(pair)}```"


def test_each_mistake_is_answered_as_the_page_shows(pytestconfig: pytest.Config) -> None:
    """The text block after each file is what is printed of the file."""
    text = PAGE.read_text("utf-8")
    if pytestconfig.getoption("update_snapshots"):
        PAGE.write_text(PAIR.sub(answered, text), "utf-8")
    assert PAGE.read_text("utf-8") == PAIR.sub(answered, text)


def test_the_table_lists_all_of_them() -> None:
    """The table at the top has each section with its code, in order, and there are thirty at least."""
    text = PAGE.read_text("utf-8")
    table = re.findall(r"^\| \[(.+?)\]\(#(.+?)\) \|.*\| (PD\d+) \|$", text, re.MULTILINE)
    sections = SECTION.findall(text)
    codes = [re.findall(r"\[(PD\d+)\]", said(pair)) for pair in PAIR.finditer(text)]
    assert [(title, [code]) for title, _, code in table] == list(zip(sections, codes, strict=True))
    assert [anchor for _, anchor, _ in table] == [_anchor(title) for title in sections]
    assert len(sections) >= 30
    assert f"{len(sections)} mistakes" in text


def _anchor(title: str) -> str:
    """The anchor that Markdown gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
