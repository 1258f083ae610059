"""A failure tells how to see it again, and can be made smaller."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

MUTANT = "timer_fires_a_second_early"


def sim(*options: object) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own: its engine is a wrong one."""
    command = [sys.executable, "-m", "tests.sim", "--mutant", MUTANT, *map(str, options)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_failure_is_shown_shrunk_and_seen_again(tmp_path: Path, store: str) -> None:
    """Seed, store, commit, faults and a file of decisions; then the same without what it does not need."""
    found = sim("--store", store, "--seeds", 20)
    assert found.returncode == 0, found.stdout
    seed = found.stdout.partition("seed ")[2].partition(":")[0]

    shown = sim(seed, "--store", store, "--out", tmp_path)
    assert shown.returncode == 1
    for text in [f"seed {seed} on {store}: C5", "at commit ", "faults that were on:", "inbox: ", "slots: "]:
        assert text in shown.stdout, text
    decisions = (tmp_path / f"seed-{seed}-on-{store}.txt").read_text("utf-8")
    assert "commit done" in decisions

    shrunk = sim(seed, "--store", store, "--out", tmp_path, "--shrink")
    assert shrunk.returncode == 1
    assert "--processes 1" in shrunk.stdout
    assert "faults that happened: {}" in shrunk.stdout, "a timer that fires early needs none"
    options = shrunk.stdout.partition(f"-m tests.sim {seed} ")[2].partition(" (at commit")[0].split()

    again = sim(seed, *options, "--out", tmp_path)
    assert again.returncode == 1
    assert reason(again.stdout) == reason(shrunk.stdout)


def reason(text: str) -> str:
    """Why a seed failed."""
    return text.partition(" on ")[2].partition("\n")[0]
