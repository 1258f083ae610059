"""Run a share of a fuzzing campaign in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import NamedTuple

from tests.checkout import ROOT

KINDS = ("documents", "expressions", "stored", "words", "requests")
"""What is fuzzed: YAML, expressions, texts of the database, short notations, requests to the server."""


class Campaign(NamedTuple):
    """``size`` inputs from number ``first`` on."""

    kind: str
    seed: int
    first: int
    size: int


class Report(NamedTuple):
    """What was wrong, in words; the most seconds of CPU, and for which number; the most memory."""

    findings: list[str]
    slowest: tuple[float, int]
    peak_mib: int


def run(share: Campaign) -> Report:
    """Examine all inputs of a share; one that ends the process ends the share and is reported."""
    with tempfile.NamedTemporaryFile() as progress:
        progress.write(bytes(8))
        progress.flush()
        words = [share.kind, *map(str, share[1:]), progress.name]
        command = [sys.executable, "-m", "tests.fuzz.worker", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        progress.seek(0)
        last = int.from_bytes(progress.read(8), "big")
    if done.returncode:
        died = f"the process ended with {done.returncode}: {done.stderr[-3000:]}"
        return Report([_words(share, last, died)], (0.0, last), 0)
    report = json.loads(done.stdout)
    findings = [
        _words(share, found["number"], f"{found['problem']}\n  {found['input']}")
        for found in report["findings"]
    ]
    return Report(findings, tuple(report["slowest"]), report["peak_mib"])


def _words(share: Campaign, number: int, problem: str) -> str:
    return f"--{share.kind} 1 --seed {share.seed} --only {number}: {problem}"
