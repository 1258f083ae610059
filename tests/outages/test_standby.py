"""The primary is lost, and the standby goes on in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.outages.standby import lose_the_primary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # two servers, and real processes


def test_what_was_acknowledged_is_on_the_synchronous_standby(tmp_path: Path) -> None:
    """Members find the promoted one by themselves, join again and go on (I1, I5, I6)."""
    counts = lose_the_primary(tmp_path, 1, 30, desks=6, workers=0)
    print(counts)  # noqa: T201
    assert counts["promoted"] == 1
    assert counts["orders"] >= 30
