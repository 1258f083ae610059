"""``docs/diagnostics.md`` has every code, and says what is really printed."""

from __future__ import annotations

import re

import pytest

from perdure.dsl.diagnostics import CODES
from tests.diagnostics_page import PAGE, page, write


def test_every_code_has_its_title_and_an_example() -> None:
    """The page has a heading for each code of the registry, in order, and below it that code's diagnostic."""
    text = PAGE.read_text("utf-8")
    headings = re.findall(r"^### (PD[0-9]{3}): (.+)$", text, re.MULTILINE)
    shown = re.findall(r"^[\w.]+:[0-9]+:[0-9]+: (?:error|warning)\[(PD[0-9]{3})\] ", text, re.MULTILINE)
    assert (headings, shown) == (list(CODES.items()), list(CODES))


def test_the_page_is_what_the_product_prints(pytestconfig: pytest.Config) -> None:
    """The committed page is the one that ``tests/diagnostics_page.py`` makes now."""
    if pytestconfig.getoption("update_snapshots"):
        write()
    assert PAGE.read_text("utf-8") == page()
