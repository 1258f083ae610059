"""A real PostgreSQL crashes under the processes that people run: nothing is lost, nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outages.restarts import restart_under_load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # real processes, and servers that crash


def test_what_was_acknowledged_survives_crashes_of_the_database(tmp_path: Path) -> None:
    """Two members of the hub join again each time, and go on (I1, I5, I6)."""
    counts = restart_under_load(tmp_path, 1, 30, servers=1, desks=6)
    print(counts)  # noqa: T201
    assert counts["restarts"] >= 2
    assert counts["orders"] >= 30
