"""The store's time where the store is on this machine: the wall clock, but never back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


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
