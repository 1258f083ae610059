"""The settlement: real processes, failing calls, workers killed on the way, and every merchant once."""

from __future__ import annotations

import pytest

from bench import settlement
from tests.shares import turn


@pytest.mark.slow
@pytest.mark.parametrize("merchants", [3_000, pytest.param(95_000, marks=turn("settlement"))])
def test_every_merchant_is_settled_once(merchants: int) -> None:
    """The worker is killed twice; the parent's history and the worker's memory stay small."""
    figures = settlement.main(["--merchants", str(merchants), "--kills", "2"])
    assert figures["ledger_applied"] == merchants
    assert figures["parent_events"] < 1_000
    assert figures["worker_peak_megabytes"] < 500
