"""Starts over HTTP through SIGKILLs: as many instances as idempotency keys, each completed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.black_box.starts import start_through_kills

pytestmark = pytest.mark.slow  # real processes that are killed


def test_as_many_instances_as_keys_through_three_kills(tmp_path: Path) -> None:
    """20 clients that repeat what nobody answered; ``python -m tests.black_box starts`` does 10,000."""
    counts = start_through_kills(tmp_path, 1, 3_000)
    assert (counts["kills"], counts["instances"], counts["start: 201"]) == (3, 3_000, 3_000)


def test_starts_that_are_forgotten_are_found(tmp_path: Path) -> None:
    """The negative control: a server that forgets its idempotency keys starts something twice."""
    with pytest.raises(AssertionError, match=r"instances for \d+ keys|booked twice"):
        start_through_kills(tmp_path, 1, 300, kills=4, mutant="forgets_what_was_asked")
