"""Tables on terminals of every width."""

from __future__ import annotations

import pytest

from perdure.cli.tables import drawn, fitted

TITLES = ("ID", "WORKFLOW", "STATUS", "ENDED")
ROW = ("order-abcdefgh2345", "order@1.0.0", "Completed", "2026-11-22 01:03:49Z")
EVENT = ("12", "2026-11-22 01:03:49Z", "TaskScheduled", "x" * 200)


@pytest.mark.parametrize("width", [100, 80, 60, 40, 30])
def test_no_word_is_broken(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids, versions, statuses and days stand whole on any terminal, and nothing is wider than it."""
    monkeypatch.setenv("COLUMNS", str(width))
    shown = drawn(TITLES, [ROW, ROW], color=False)
    assert all(word in shown for cell in ROW for word in cell.split())
    assert max(map(len, shown.splitlines())) <= width


def test_only_the_last_column_is_folded() -> None:
    """What gives way first is the last column, down to a width that can be read."""
    assert fitted([("SEQ", "TIME", "EVENT", "DETAILS"), EVENT], 80) == [3, 20, 13, 33]
    assert fitted([("SEQ", "TIME", "EVENT", "DETAILS"), EVENT], 60) == [3, 13, 13, 20]
    assert fitted([("SEQ", "TIME", "EVENT", "DETAILS"), EVENT], 40) is None


@pytest.mark.parametrize("width", [58, 40])
def test_nothing_comes_back_at_the_left_edge(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the first column of a row there is nothing but the next row."""
    monkeypatch.setenv("COLUMNS", str(width))
    lines = drawn(("SEQ", "TIME", "EVENT", "DETAILS"), [EVENT], color=False).splitlines()
    starts = [line.split()[0] for line in lines if line.strip() and not line.startswith("  ")]
    assert [start for start in starts if start not in {"SEQ", "12"} and "─" not in start] == []
