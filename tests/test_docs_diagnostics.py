"""``docs/diagnostics.md`` and ``docs/codes/`` have every code, and say what is really printed."""

from __future__ import annotations

import re

import pytest

from perdure.dsl.diagnostics import CODES
from tests.diagnostics_page import FOLDER, PAGE, write, written


def test_the_pages_are_what_the_product_says(pytestconfig: pytest.Config) -> None:
    """The committed pages are those that ``tests/diagnostics_page.py`` makes now, and there are no others."""
    if pytestconfig.getoption("update_snapshots"):
        write()
    for path, text in written().items():
        assert path.read_text("utf-8") == text, f"{path} is stale: python -m tests.diagnostics_page"
    assert {PAGE, *FOLDER.iterdir()} == set(written())


def test_every_code_is_in_the_tables_and_has_a_section() -> None:
    """The tables list the codes in order, and each link leads to the heading of its code."""
    tables = PAGE.read_text("utf-8").partition("## YAML")[2]
    linked = re.findall(r"^\| \[(PD\d+)\]\(codes/(pd\d)\.md#(pd\d+)\) \|", tables, re.MULTILINE)
    assert [code for code, _, _ in linked] == list(CODES)
    for code, page, anchor in linked:
        assert anchor == code.lower()
        assert f"\n## {code}\n" in (FOLDER / f"{page}.md").read_text("utf-8")
