"""How often each key may ask: a bucket of tokens for each, which fills again at the rate."""

from __future__ import annotations

from collections import OrderedDict

from perdure.engine import clock

REMEMBERED = 10_000
"""Keys that are counted at a time; a key that is forgotten has its whole burst again."""


class Rates:
    """``rate`` requests a second and key, and ``rate`` at once after a pause, one in any case; None: any."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._full: OrderedDict[str, float] = OrderedDict()
        """When the bucket of each key will be full again."""

    def wait(self, key: str) -> float:
        """Count a request: 0 when it may go on, else in how many seconds another one may, uncounted."""
        if self._rate is None:
            return 0.0
        now, burst = clock.monotonic(), max(1.0, 1.0 / self._rate)
        full = max(now, self._full.get(key, now)) + 1.0 / self._rate
        # A little more than the burst, for sums of parts are not exact.
        if full > now + burst + 1e-9:
            return full - now - burst
        self._full[key] = full
        self._full.move_to_end(key)
        while len(self._full) > REMEMBERED:
            self._full.popitem(last=False)
        return 0.0
