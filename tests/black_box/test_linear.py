"""What clients hear of entities over HTTP, while the server is killed, is one order in real time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.black_box.linear import kill_under_calls
from tests.shares import in_turn

pytestmark = pytest.mark.slow  # real processes that are killed

TRIES = 12
"""Runs in which a wrong engine has to be found; one or two are enough."""


@pytest.mark.parametrize("seed", range(4))
def test_five_histories_are_linearizable_through_kills(tmp_path: Path, seed: int) -> None:
    """Calls, signals and looks of four clients at each of five accounts."""
    counts = kill_under_calls(tmp_path, seed)
    assert counts["histories"] == 5
    assert counts["kills"] > 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", in_turn(["answers_before_the_commit", "forgets_what_was_asked"]))
def test_a_wrong_engine_is_found_by_its_answers(tmp_path: Path, mutant: str) -> None:
    """The negative control: what is lost, or done twice, agrees with no order."""
    with pytest.raises(AssertionError, match="no order explains"):
        _search(tmp_path, mutant)


def _search(path: Path, mutant: str) -> None:
    for seed in range(TRIES):
        (path / str(seed)).mkdir()
        kill_under_calls(path / str(seed), seed, mutant)
