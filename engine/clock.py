"""Where waiting gets its time from. Nothing here decides when a timer is due: the store's time does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_source: Callable[[], float] = time.monotonic


def monotonic() -> float:
    """Seconds that never go back, for sleeping and for measuring."""
    return _source()


@contextmanager
def driven_by(source: Callable[[], float]) -> Iterator[None]:
    """Meanwhile the time is that of ``source``, for a simulation. Not for threads."""
    global _source  # noqa: PLW0603
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
