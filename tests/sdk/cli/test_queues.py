"""``perdure queues``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.program import given_database, perdure


def test_a_rate_is_set_and_listed(here: Path) -> None:
    """It stays until it is taken away."""
    given_database(here)
    assert perdure("queues", "list").out.strip() in {"", "no queues beside the default one"}
    assert perdure("queues", "set", "slow", "--rate", "60/m", "--json").data == {
        "name": "slow",
        "rate": "1/s",
    }
    assert perdure("queues", "list").out.splitlines()[1].split() == ["slow", "1/s", "0", "0"]
    assert perdure("queues", "set", "slow", "--no-rate").code == 0
    assert perdure("queues", "list", "--json").data == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("words", [(), ("--rate", "1/s", "--no-rate"), ("--rate", "fast")])
def test_what_is_no_rate(words: tuple[str, ...]) -> None:
    """Exit code 2."""
    assert perdure("queues", "set", "slow", *words).code == 2
