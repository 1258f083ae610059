"""Where waiting gets its time from. Nothing here decides when a timer is due: the store's time does."""

from __future__ import annotations

import time


def monotonic() -> float:
    """Seconds that never go back, for sleeping and for measuring."""
    return time.monotonic()
