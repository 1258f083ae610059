"""Seeds of the simulation, and proof that it finds what is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.checkout import ROOT
from tests.sim.mutants import MUTANTS
from tests.sim.simulation import simulate

QUICK = 8
SLOW = 240
PARTS = 8
FOUND = ["consumed_message_stays"]
"""One that any few seeds find; the others are for the slow tests."""


@pytest.mark.parametrize("seed", range(QUICK))
def test_a_seed_keeps_the_promises(seed: int) -> None:
    """Whatever fails, what was started ends as its document says, once."""
    assert simulate(seed).writes["commit"] > 0, "nothing was done, so nothing is proven"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_many_seeds_keep_the_promises(part: int) -> None:
    """The same, further on."""
    reports = [simulate(seed) for seed in range(QUICK + part, QUICK + SLOW, PARTS)]
    assert sum(sum(report.faults.values()) for report in reports) > len(reports), "hardly anything failed"


def test_a_seed_always_makes_the_same_run() -> None:
    """Else nobody could look at a failure again."""
    assert simulate(5) == simulate(5)


@pytest.mark.parametrize("name", FOUND)
def test_a_wrong_engine_is_found(name: str) -> None:
    """By few seeds."""
    assert _hunt(name, seeds=10), name


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(MUTANTS.keys() - set(FOUND)))
def test_every_wrong_engine_is_found(name: str) -> None:
    """The negative control: a simulation that misses one proves nothing of what it is about."""
    assert _hunt(name, seeds=600), name


def _hunt(name: str, *, seeds: int) -> bool:
    command = [sys.executable, "-m", "tests.sim", "--mutant", name, "--seeds", str(seeds)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0
