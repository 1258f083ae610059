"""After the run, how each conformance suite did: for the people who run rows of their own."""

from __future__ import annotations

from collections import Counter

import pytest

COLUMNS = ("passed", "deviated", "failed", "left out")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a table with a line a suite, and a total a kind."""
    table: list[tuple[str, str, Counter[str]]] = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if report.when != "call":
                continue
            found = dict(report.user_properties)
            if "suite" in found:
                table.append((found["kind"], found["suite"], Counter(found["counts"])))
    if not table:
        return
    terminalreporter.section("conformance rows", sep="-")
    terminalreporter.write_line(_line("suite", "kind", COLUMNS))
    totals: dict[str, Counter[str]] = {}
    for kind, suite, counts in sorted(table):
        terminalreporter.write_line(_line(suite, kind, [counts[column] for column in COLUMNS]))
        totals.setdefault(kind, Counter()).update(counts)
    for kind, counts in totals.items():
        terminalreporter.write_line(_line("all", kind, [counts[column] for column in COLUMNS]))


def _line(suite: str, kind: str, cells: object) -> str:
    assert isinstance(cells, list | tuple)
    return f"{suite:<22}{kind:<12}" + "".join(f"{cell!s:>10}" for cell in cells)
