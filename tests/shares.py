"""Which part of the long tests is run: a commit takes one share of them, another commit the next."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from typing import TypeVar

from tests.checkout import ROOT

T = TypeVar("T")

SHARES = int(os.environ.get("PERDURE_TEST_SHARES", "1"))
"""All of them are run, unless this says into how many shares they are divided."""


def head() -> str:
    """The commit that is tested, as far as git tells."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()


def in_turn(parts: Sequence[T]) -> list[T]:
    """The parts that are this commit's share."""
    first = int(hashlib.sha256(head().encode()).hexdigest(), 16) % SHARES
    return list(parts[first::SHARES])
