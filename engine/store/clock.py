"""The store's time: this machine's wall clock, or what a database said last; neither ever goes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from perdure.engine.clock import monotonic

RECENT = 0.02
"""Seconds for which a time that a database said is good enough to date a turn."""


def wall_clock() -> int:
    """Microseconds since 1970 UTC. The one place where the store asks this machine's clock."""
    return time.time_ns() // 1000  # noqa: TID251


class StoreClock:
    """Never earlier than what it said before, nor than what it was told that another process said."""

    def __init__(self, source: Callable[[], int] | None = None) -> None:
        self._source = source or wall_clock
        self._last = 0
        self._lock = threading.Lock()

    def now(self, not_before: int = 0) -> int:
        """The time, at least ``not_before``."""
        with self._lock:
            self._last = max(self._source(), self._last, not_before)
            return self._last


class HeardClock:
    """The time that a database said last. ``source`` is believed instead, where there is one."""

    def __init__(self, source: Callable[[], int] | None = None) -> None:
        self._source = source
        self._last = 0
        self._at = float("-inf")
        self._lock = threading.Lock()

    def heard(self, time: int) -> int:
        """What the database says, but nothing earlier than before."""
        with self._lock:
            self._last = max(time if self._source is None else self._source(), self._last)
            self._at = monotonic()
            return self._last

    def recent(self) -> int | None:
        """The time, if it was heard a moment ago."""
        if self._source is not None:
            return self.heard(0)
        with self._lock:
            return self._last if monotonic() - self._at < RECENT else None
