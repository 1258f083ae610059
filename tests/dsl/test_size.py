"""How long six workflows are that other engines' users know: the language must not grow wordy."""

from __future__ import annotations

import io

from ruamel.yaml import YAML

from tests.checkout import ROOT

SIX = ["order_chain", "approval", "settlement", "periodic_monitor", "rate_limit", "trip_saga"]
MOST = 165


def test_six_workflows_are_short() -> None:
    """Lines that are not blank, each file read and printed by one printer, in block style."""
    assert sum(map(_lines, SIX)) <= MOST


def _lines(name: str) -> int:
    text = (ROOT / "tests" / "corpus" / "ok" / f"{name}.yaml").read_text("utf-8")
    printer = YAML(typ="safe", pure=True)
    printer.default_flow_style = False
    printer.width = 4096
    printed = io.StringIO()
    for document in YAML(typ="safe", pure=True).load_all(text):
        printer.dump(document, printed)
    return sum(bool(line.strip()) for line in printed.getvalue().splitlines())
