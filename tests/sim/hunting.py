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
_SAID = re.compile(r"found after (\d+) seeds|not found by \d+ seeds")


def hunt(name: str, first: int, seeds: int) -> int | None:
    """How many seeds from ``first`` on it takes to find a mutant; None when they are not enough."""
    return hunts(name, first, seeds, tries=1)[0]


def hunts(name: str, first: int, seeds: int, *, tries: int) -> list[int | None]:
    """The same from several starting points, in one process: it compiles a document once."""
    command = [sys.executable, "-m", "tests.sim", "--mutant", name, "--store", ALL[name].store]
    command += ["--seeds", str(seeds), "--first", str(first), "--tries", str(tries)]
    run = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    said = [each[1] for each in _SAID.finditer(run.stdout)]
    if len(said) != tries:
        raise RuntimeError(f"{name} cannot be run: {run.stdout}{run.stderr}")
    return [None if count is None else int(count) for count in said]


def table(names: Sequence[str], *, tries: int, seeds: int, jobs: int) -> tuple[str, bool]:
    """Of each mutant the median and the worst of so many hunts; and whether all were found."""
    with ThreadPoolExecutor(jobs) as pool:
        counts = list(pool.map(lambda name: hunts(name, APART, seeds, tries=tries), names))
    lines = ["| wrong engine | in the plan | median | worst |", "| --- | --- | ---: | ---: |"]
    for name, mine in zip(names, counts, strict=True):
        known = sorted(seeds + 1 if count is None else count for count in mine)
        shown = [f"> {seeds}" if each > seeds else f"{each:g}" for each in (median(known), known[-1])]
        lines.append(f"| `{name}` | {ALL[name].plan} | {shown[0]} | {shown[1]} |")
    lines += [
        f"| `{name}` | {mutant.plan} | right: {mutant.guard} | |"
        for name, mutant in ALL.items()
        if mutant.guard
    ]
    return "\n".join(lines), not any(None in mine for mine in counts)


def rotating(count: int) -> list[str]:
    """So many mutants, which others at another commit: together they all have their turn.

    Those of workers that are told take long, and are looked for by hand.
    """
    commit = head()
    names = [name for name, mutant in MUTANTS.items() if mutant.store != "told"]

    def drawn(name: str) -> str:
        return hashlib.sha256(f"{commit} {name}".encode()).hexdigest()

    return sorted(sorted(names, key=drawn)[:count])
