"""Connections break in the middle of a COMMIT, at scale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outages.commits import cut_commits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real processes, and servers that crash


def test_a_commit_that_is_cut_counts_once_or_not_at_all(tmp_path: Path) -> None:
    """It never arrived, or its answer did not, or it arrived after its sender was connected anew (I1, I5)."""
    counts = cut_commits(tmp_path, 1, 30, cuts=15, workers=0, desks=6)
    print(counts)  # noqa: T201
    cuts = {name: count for name, count in counts.items() if name.startswith("COMMIT ")}
    assert sum(cuts.values()) >= 15
    assert {"COMMIT lost", "COMMIT deaf, committed", "COMMIT late, committed"} <= set(cuts)
