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

SHARES = int(os.environ.get("PERDURE_TEST_SHARES", "1"))
"""All of them are run, unless this says into how many shares they are divided."""


@cache
def head() -> str:
    """The commit that is tested, as far as git tells."""
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()


def in_turn(parts: Sequence[T]) -> list[T]:
    """The parts that are this commit's share."""
    return list(parts[_place("") :: SHARES])


def turn(name: str) -> pytest.MarkDecorator:
    """The mark of a test that is run by some commits."""
    return pytest.mark.skipif(_place(name) != 0, reason="another commit takes it in turn")


def _place(name: str) -> int:
    return int(hashlib.sha256(f"{name}{head()}".encode()).hexdigest(), 16) % SHARES
