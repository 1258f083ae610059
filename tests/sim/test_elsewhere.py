"""I4: a history means the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.checkout import ROOT
from tests.sim.elsewhere import Kept, digests, kept
from tests.sim.simulation import simulate

SEEDS = {"memory": range(2000, 2020), "sqlite": range(2000, 2008)}


@pytest.fixture(scope="module")
def histories() -> list[Kept]:
    """What a few seeds have left, made under faults."""
    found: list[Kept] = []
    for store, seeds in SEEDS.items():
        for seed in seeds:
            simulate(seed, store=store, after=lambda there: found.extend(kept(there)))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "zone", "locale"),
    [
        ("0", "Pacific/Kiritimati", "C"),
        ("1", "America/St_Johns", "tr_TR.UTF-8"),
        ("4242", "UTC", "de_DE.UTF-8"),
    ],
)
def test_every_prefix_replays_to_the_same_state_elsewhere(
    histories: list[Kept], tmp_path: Path, seed: str, zone: str, locale: str
) -> None:
    """With another hash seed, time zone and locale, in an interpreter of its own."""
    file = tmp_path / "histories.json"
    file.write_bytes(msgspec.json.encode(histories))
    there = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "LANG": locale}
    command = [sys.executable, "-m", "tests.sim.elsewhere", str(file)]
    answer = subprocess.run(command, cwd=ROOT, env=there, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == digests(histories)
    assert len(histories) > sum(map(len, SEEDS.values()))
