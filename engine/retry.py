"""The arithmetic of retry policies."""

from __future__ import annotations

MAX_DELAY = 365 * 86_400 * 1_000_000
"""No wait between attempts is longer than a year, in microseconds."""


def backoff(attempt: int, *, delay: int, factor: float, max_delay: int, draw: float | None) -> int:
    """Microseconds to wait after the ``attempt``-th failed try (the first is 1).

    min(max_delay, delay * factor ** (attempt - 1)); with ``draw`` (full jitter: a number from 0 up to
    1) evenly between 0 and that.
    """
    limit = min(max_delay, MAX_DELAY)
    try:
        wait = min(float(limit), delay * factor ** (attempt - 1))
    except OverflowError:
        wait = float(limit)
    return round(wait if draw is None else wait * draw)
