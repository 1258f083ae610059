"""Turns that may kill their worker, found one by one.

A slot whose owners died again and again is shaky, and every instance in it a suspect. Their turns are taken
one at a time, each counted in the database before it begins and forgotten with its commit; so the count of
the one that kills its workers grows, and it is parked. Its neighbours are slow until the slot was calm for
a minute.

What is merely unlucky is counted too, but it would have to be so again and again without one turn between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perdure.engine.addresses import is_entity
from perdure.engine.instance import slot_of

SHAKY = 2
"""Owners of a slot that have died before its instances are suspects."""
MAX_DEATHS = 3
"""Turns of one suspect that were begun and not ended, before it is parked."""
CALM = 60.0
"""Seconds without the death of an owner after which its slots are trusted again."""
PARKED = "poison: "
"""How the reason of such an instance begins."""


class Suspects:
    """Which slots are shaky, and which turns this process has counted."""

    def __init__(self) -> None:
        self._shaky: frozenset[int] = frozenset()
        self._crashed = False
        self._since = float("-inf")
        self._counted: set[str] = set()
        self._deaths: Mapping[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._shaky)

    def took(self, crashes: Mapping[int, int], deaths: Mapping[str, int], tick: float) -> None:
        """Slots are ours now, and their owners died so often; ``deaths`` are those in turns of suspects."""
        self._deaths = deaths
        self._crashed = bool(crashes)
        self._shaky = frozenset(slot for slot, count in crashes.items() if count >= SHAKY)
        self._since = tick

    def calm(self, tick: float) -> bool:
        """Whether there were deaths, and none for long enough to forget them."""
        return self._crashed and tick - self._since >= CALM

    def trust(self) -> None:
        """The deaths are forgotten."""
        self._shaky, self._crashed = frozenset(), False

    def suspects(self, instance_id: str) -> bool:
        """Whether its turns are taken alone. An entity has none that is long enough to kill."""
        return slot_of(instance_id) in self._shaky and not is_entity(instance_id)

    def others(self, ids: list[str]) -> list[str]:
        """Those that are no suspects."""
        return [each for each in ids if not self.suspects(each)] if self._shaky else ids

    def first(self, ids: Iterable[str]) -> str | None:
        """The first suspect of these; those in whose turns somebody died come last."""
        suspects = [each for each in ids if self.suspects(each)]
        clean = next((each for each in suspects if not self._deaths.get(each)), None)
        return clean or min(suspects, key=lambda each: self._deaths[each], default=None)

    def count(self, instance_id: str) -> bool:
        """Whether its turn is still to be counted; from now on it is not, until ``ended``.

        A turn whose commit is tried again kills nobody twice.
        """
        new = instance_id not in self._counted
        self._counted.add(instance_id)
        return new

    def ended(self, instance_id: str) -> None:
        """Its turn is committed, or was never counted."""
        self._counted.discard(instance_id)


def why_parked(deaths: int) -> str:
    """Why an instance is parked."""
    return f"{PARKED}a worker died in each of its last {deaths} turns"
