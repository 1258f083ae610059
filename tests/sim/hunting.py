"""How many seeds it takes to find each wrong engine: ``python -m tests.sim --mutants``."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from tests.checkout import ROOT
from tests.shares import head
from tests.sim.mutants import ALL, MUTANTS

APART = 10_000
"""Seeds between two starting points."""
_FOUND = re.compile(r"found after (\d+) seeds")


def hunt(name: str, first: int, seeds: int) -> int | None:
    """How many seeds from ``first`` on it takes to find a mutant; None when they are not enough."""
    command = [sys.executable, "-m", "tests.sim", "--mutant", name, "--store", ALL[name].store]
    command += ["--seeds", str(seeds), "--first", str(first)]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    found = _FOUND.search(run.stdout)
    if found is None and "not found" not in run.stdout:
        raise RuntimeError(f"{name} cannot be run: {run.stdout}{run.stderr}")
    return None if found is None else int(found[1])


def table(names: Sequence[str], *, tries: int, seeds: int, jobs: int) -> tuple[str, bool]:
    """Of each mutant the median and the worst of so many hunts; and whether all were found."""
    points = [(name, APART * number) for name in names for number in range(1, tries + 1)]
    with ThreadPoolExecutor(jobs) as pool:
        counts = list(pool.map(lambda point: hunt(point[0], point[1], seeds), points))
    lines = ["| wrong engine | in the plan | median | worst |", "| --- | --- | ---: | ---: |"]
    for number, name in enumerate(names):
        mine = counts[number * tries : (number + 1) * tries]
        known = sorted(seeds + 1 if count is None else count for count in mine)
        shown = [f"> {seeds}" if each > seeds else f"{each:g}" for each in (median(known), known[-1])]
        lines.append(f"| `{name}` | {ALL[name].plan} | {shown[0]} | {shown[1]} |")
    lines += [
        f"| `{name}` | {mutant.plan} | right: {mutant.guard} | |"
        for name, mutant in ALL.items()
        if mutant.guard
    ]
    return "\n".join(lines), None not in counts


def rotating(count: int) -> list[str]:
    """So many mutants, which others at another commit: together they all have their turn."""
    commit = head()

    def drawn(name: str) -> str:
        return hashlib.sha256(f"{commit} {name}".encode()).hexdigest()

    return sorted(sorted(MUTANTS, key=drawn)[:count])
