"""Where waiting gets its time from. Nothing here decides when a timer is due: the store's time does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Source(Protocol):
    """A clock, and how to wait by it."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Wait until the event is set, or the seconds are over; returns whether it is set."""


class _Real:
    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        return event.wait(timeout)


_source: Source = _Real()


def monotonic() -> float:
    """Seconds that never go back, for sleeping and for measuring."""
    return _source.monotonic()


def wait(event: threading.Event, timeout: float | None = None) -> bool:
    """Wait until the event is set, or the seconds are over; returns whether it is set."""
    return _source.wait(event, timeout)


@contextmanager
def driven_by(source: Source) -> Iterator[None]:
    """Meanwhile the time is that of ``source``, for a simulation. Not for threads."""
    global _source  # noqa: PLW0603
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
