"""When a member of the hub is to be declared dead by its lease alone."""

from __future__ import annotations

from collections.abc import Iterable

from perdure.engine.store.rows import Worker


class Watch:
    """Leases of other workers as this one has seen them.

    A worker is suspected when its lease is expired by the store's clock *and* was watched unchanged,
    without a gap, for half a lease. So a database that was away, or a clock that jumps, does not let
    the first worker back declare all the others dead.
    """

    def __init__(self, lease: int) -> None:
        self._lease = lease
        self._seen: dict[str, tuple[int, float]] = {}
        self._last = float("-inf")

    def suspects(self, workers: Iterable[Worker], now: int, monotonic: float) -> list[tuple[str, int]]:
        """Ids and leases of those to be taken over. ``now`` is the store's time, in microseconds."""
        half = self._lease / 2_000_000
        if monotonic - self._last > half / 2:
            self._seen.clear()
        self._last = monotonic
        seen = {}
        for worker in workers:
            lease, since = self._seen.get(worker.id, (None, monotonic))
            seen[worker.id] = (worker.lease_until, since if lease == worker.lease_until else monotonic)
        self._seen = seen
        return [
            (worker_id, lease)
            for worker_id, (lease, since) in seen.items()
            if lease < now and monotonic - since >= half
        ]
