"""The power fails: what was acknowledged is in what SQLite had synced, and the rest goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.black_box.cuts import Lost, cut_power

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # files of a real process, again and again


@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_cuts_of_the_log_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Torn, garbled or short behind any byte; some run on until all orders are carried out once."""
    counts = cut_power(tmp_path, seed)
    assert counts["cuts"] == 100
    assert counts["to the end"] == 10
    assert counts["promises looked for"] > 1000


def test_a_cut_before_what_was_promised_is_found(tmp_path: Path) -> None:
    """The negative control: as if nothing since the last checkpoint had been synced."""
    with pytest.raises(Lost):
        cut_power(tmp_path, 1, early=True)
