"""Processes that are stopped past their lease change nothing when they go on, and answer nothing stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.engine.errors import PerdureError
from tests.black_box.linear import stop_under_calls
from tests.black_box.zombies import stop_servers
from tests.shares import turn

pytestmark = pytest.mark.slow  # real processes that are stopped


@pytest.mark.parametrize("seed", range(3))
def test_work_goes_on_once_while_servers_are_stopped(tmp_path: Path, seed: int) -> None:
    """The other one takes over, the stopped one comes back under another id; a write is waited for."""
    counts = stop_servers(tmp_path, seed, 5)
    assert counts["stops"] == 5
    assert counts["taken over with its slots"] > 0


@pytest.mark.parametrize("seed", range(2))
def test_what_a_stopped_server_answers_later_is_not_stale(tmp_path: Path, seed: int) -> None:
    """Requests wait in its socket meanwhile: their answers agree with real time all the same."""
    counts = stop_under_calls(tmp_path, seed)
    assert counts["histories"] == 5
    assert counts["stops"] > 1


@turn("stops")
@pytest.mark.timeout(300)  # it is found by what never comes
def test_a_wrong_engine_is_found_by_stops(tmp_path: Path) -> None:
    """The negative control: a zombie that goes on under its old id is found."""
    with pytest.raises((AssertionError, PerdureError)):
        stop_servers(tmp_path, 1, 10, "no_membership_check")
