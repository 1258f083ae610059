"""Real processes that are killed with SIGKILL lose nothing that was acknowledged, and do nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.engine.errors import PerdureError
from tests.black_box.commands import kill_commands
from tests.black_box.kills import kill_servers

pytestmark = pytest.mark.slow  # real processes that are killed


@pytest.mark.parametrize(("seed", "servers"), [(1, 1), (2, 2)])
def test_what_was_acknowledged_over_http_survives_ten_kills(tmp_path: Path, seed: int, servers: int) -> None:
    """One server that comes again, or two of which one takes over: all orders are carried out once."""
    counts = kill_servers(tmp_path, seed, 10, servers)
    assert counts["kills"] >= 10
    assert counts["orders"] > 10


@pytest.mark.parametrize(("seed", "served"), [(1, True), (2, False)])
def test_commands_that_are_killed_and_typed_again_act_once(tmp_path: Path, seed: int, served: bool) -> None:
    """``run``, ``start``, ``events send``, ``entities signal``: beside a server that dies too, or alone."""
    counts = kill_commands(tmp_path, seed, 5, served=served)
    assert counts["kills"] == 5
    assert counts["orders"] > 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", ["answers_before_the_commit", "forgets_what_was_asked"])
def test_a_wrong_engine_is_found_by_kills(tmp_path: Path, mutant: str) -> None:
    """The negative control: the same runs find what is lost, and what is done twice.

    Not each of them: a kill has to come between an answer and its commit.
    """

    def some() -> None:
        for seed in range(1, 6):
            directory = tmp_path / str(seed)
            directory.mkdir()
            kill_servers(directory, seed, 20, mutant=mutant)

    with pytest.raises((AssertionError, PerdureError)):
        some()
