"""Starts over HTTP through SIGKILLs: as many instances as idempotency keys, each completed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.black_box.starts import start_through_kills, stop_under_starts

pytestmark = pytest.mark.slow  # real processes that are killed


def test_as_many_instances_as_keys_through_three_kills(tmp_path: Path) -> None:
    """20 clients that repeat what nobody answered; ``python -m tests.black_box starts`` does 10,000."""
    counts = start_through_kills(tmp_path, 1, 2_000)
    assert (counts["kills"], counts["instances"], counts["start: 201"]) == (3, 2_000, 2_000)


def test_a_server_that_is_told_to_stop_answers_what_it_has_begun(tmp_path: Path) -> None:
    """SIGTERM amid the starts of 20 clients: no instance of which nobody knows, and none that is missing."""
    counts = stop_under_starts(tmp_path, 200)
    assert counts["instances"] == counts["start: 201"] >= 200


@pytest.mark.timeout(300)
def test_starts_that_are_forgotten_are_found(tmp_path: Path) -> None:
    """The negative control: a server that forgets its idempotency keys starts something twice.

    When it is killed between a commit and its answer, which not every run does.
    """

    def some() -> None:
        for seed in range(1, 9):
            directory = tmp_path / str(seed)
            directory.mkdir()
            start_through_kills(directory, seed, 300, kills=4, mutant="forgets_what_was_asked")

    with pytest.raises(AssertionError, match=r"instances for \d+ keys|booked twice"):
        some()


@pytest.mark.timeout(300)
def test_a_server_that_hangs_up_is_found(tmp_path: Path) -> None:
    """The negative control: what was begun is carried out, and nobody hears of it.

    When something is under way at that moment, as nearly always.
    """

    def some() -> None:
        for number in range(8):
            directory = tmp_path / str(number)
            directory.mkdir()
            stop_under_starts(directory, 100, mutant="hangs_up_when_told_to_stop")

    with pytest.raises(AssertionError, match=r"instances for \d+ keys"):
        some()
