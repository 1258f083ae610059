"""Waiting for facts, with a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable

WAIT = 30.0
"""Seconds; far more than anything takes."""


def eventually(fact: Callable[[], object]) -> None:
    """Look until the fact is true. Fails the test when it never is."""
    pause = threading.Event()
    for _ in range(int(WAIT / 0.01)):
        if fact():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come true")
