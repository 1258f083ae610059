"""Which of the longest tests are run: a commit takes one share of them, another commit the next."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import pytest

from tests.checkout import ROOT

T = TypeVar("T")

LONGEST = ("bank", "settlement", "http cases", "stops", "texts", "reference", "readings")
"""In an order in which each commit has about as much to do: the first, the fourth, and so on."""

SHARES = int(os.environ.get("PERDURE_TEST_SHARES", "1"))
"""All of them are run, unless this says into how many shares they are divided."""


@cache
def head() -> str:
    """The commit that is tested, as far as git tells."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()


def in_turn(parts: Sequence[T]) -> list[T]:
    """The parts that are this commit's share."""
    return list(parts[_place() :: SHARES])


def turn(name: str) -> pytest.MarkDecorator:
    """The mark of a test, one of the longest, that is run by some commits."""
    chosen = (LONGEST.index(name) - _place()) % SHARES == 0
    return pytest.mark.skipif(not chosen, reason="another commit takes it in turn")


def _place() -> int:
    return int(hashlib.sha256(head().encode()).hexdigest(), 16) % SHARES
