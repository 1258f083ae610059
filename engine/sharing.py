"""Which slots a worker takes and which it gives away, so that all workers serve about as many. Pure.

Each worker decides for itself, by what it has read; nobody is told what to do. Two that have read the same
decide alike. Two that have not may both want a slot, which one of them gets, or move one slot too many, which
the next look puts right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from perdure.engine.instance import SLOTS
from perdure.engine.store.rows import Worker

PATIENCE = 1.0
"""Seconds that a slot stays free before anybody takes it who can run turns."""


class Share(NamedTuple):
    """Slots to be taken, if they are free still, and slots to be given away."""

    take: tuple[int, ...] = ()
    give: tuple[int, ...] = ()


def candidates(me: str, workers: Sequence[Worker], owners: Mapping[int, str], now: int) -> list[str]:
    """Those among live workers, oldest first, who are to have the slots; ``now`` is the store's time.

    Whoever has not renewed its lease in time does not count (``me`` will at once), nor who is about to leave.
    A reserve counts only without any other, and then one that has slots already, or else the oldest.
    """
    able = [
        each
        for each in workers
        if each.turns and not each.draining and (each.id == me or each.lease_until > now)
    ]
    servers = [each.id for each in able if not each.reserve]
    if servers:
        return servers
    serving = set(owners.values())
    reserves = [each.id for each in able]
    return [each for each in reserves if each in serving] or reserves[:1]


def targets(owned: Mapping[str, int], slots: int = SLOTS) -> dict[str, int]:
    """How many slots each is to have, by how many each has: no two differ by more than one.

    What is left over goes to those who have most, so that as few as possible move.
    """
    if not owned:
        return {}
    least, over = divmod(slots, len(owned))
    ranked = sorted(owned, key=lambda worker: (-owned[worker], worker))
    return {worker: least + (place < over) for place, worker in enumerate(ranked)}


def share(me: str, among: Sequence[str], owners: Mapping[int, str], slots: int = SLOTS) -> Share:
    """What a worker does about the slots that are to be shared among some, itself perhaps.

    ``owners`` has the slots that belong to anybody, maybe to others than these. Free slots are dealt out in
    order, so that no two want the same one.
    """
    if not among:
        return Share()
    free = [slot for slot in range(slots) if slot not in owners]
    place = 0
    for worker, count in missing(among, owners, slots).items():
        if worker == me:
            return Share(take=tuple(free[place : place + count]))
        place += count
    mine = sorted(slot for slot, owner in owners.items() if owner == me)
    return Share(give=tuple(mine[_wanted(among, owners, slots).get(me, 0) :]))


def missing(among: Sequence[str], owners: Mapping[int, str], slots: int = SLOTS) -> dict[str, int]:
    """How many slots those are to get who have too few."""
    counts = Counter(owners.values())
    wanted = sorted(_wanted(among, owners, slots).items())
    return {worker: count - counts[worker] for worker, count in wanted if count > counts[worker]}


def _wanted(among: Sequence[str], owners: Mapping[int, str], slots: int) -> dict[str, int]:
    counts = Counter(owners.values())
    return targets({worker: counts[worker] for worker in among}, slots)


class Unserved:
    """Slots that were free at each look, and since when; and who has left them so.

    Whoever is silent, and not for so long that it is dead, has no share until it gives a sign of life: else
    what others take in its place would be given back to it, again and again.
    """

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._silent: dict[str, int] = {}

    def heard(self, workers: Sequence[Worker]) -> list[Worker]:
        """The workers without those that are silent."""
        leases = {each.id: each.lease_until for each in workers}
        self._silent = {id_: lease for id_, lease in self._silent.items() if leases.get(id_) == lease}
        return [each for each in workers if each.id not in self._silent]

    def blame(self, ids: Collection[str], workers: Sequence[Worker]) -> None:
        """These have not taken what they should."""
        self._silent |= {each.id: each.lease_until for each in workers if each.id in ids}

    def seen(self, free: Collection[int], tick: float) -> list[int]:
        """Those that have been free for long; ``tick`` is in seconds."""
        self._since = {slot: self._since.get(slot, tick) for slot in sorted(free)}
        return [slot for slot, since in self._since.items() if tick - since >= PATIENCE]
