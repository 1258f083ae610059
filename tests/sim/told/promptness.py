"""Whether anybody who is told rests while there is something for him, and for how long.

Only the time counts in which a worker rests: while it does something else, or tries again what has failed,
it has not overlooked anything. Where every notice arrives, a worker looks by itself only after ``NEVER``,
so that what it was told can have waited for nothing else; where some are lost, it looks as it always does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from perdure.engine.store.poison import SUSPECT
from perdure.engine.store.rows import QueueRow
from perdure.engine.worker import TOLD_MEMBERS, TOLD_POLL
from perdure.engine.workplace import POLL_EVERY
from tests.sim.faults import Network
from tests.sim.told.hub import ToldHub
from tests.sim.told.process import ToldProcess
from tests.sim.world import SECOND

EVERY = SECOND // 5
"""Microseconds between two looks whether anybody overlooks something."""
NEVER = 1_000.0
"""Seconds between two looks of a worker that is to find nothing by them."""
WAITS = round((TOLD_POLL + TOLD_MEMBERS) * SECOND) + SECOND
"""Microseconds that something may wait where a notice was lost: it is looked for when a rest is over."""
SURELY = 10 * SECOND
"""The same where none was: late ones are waited for."""
DEAF = round((POLL_EVERY + 1) * SECOND)
"""The same for a worker that knows that it hears nothing."""

HEARS, HEARS_NOTHING = "who hears", "who hears nothing"

Key = tuple[str, ...]
"""What waits, for whom, and whether that one hears."""


class Promptness:
    """The watch of one run."""

    def __init__(self, network: Network, hub: ToldHub, processes: Sequence[Any]) -> None:
        self.longest = 0
        """Microseconds that anything has waited for somebody who rests."""
        self.look = NEVER if hub.wire.sure else TOLD_POLL
        """Seconds between two looks of a worker by itself."""
        self._most = SURELY if hub.wire.sure else WAITS
        self._network = network
        self._world = network.world
        self._hub = hub
        self._processes: Sequence[ToldProcess] = processes
        self._waited: Counter[Key] = Counter()

    def begin(self) -> None:
        """Watch from now on."""
        self._world.spawn("the watch", self._watch, self)

    def _watch(self) -> None:
        while True:
            self._world.sleep(EVERY)
            refused = self._world.now < max(self._network.away_until, self._network.full_until)
            # What is looked for while the database refuses it is looked for again after a rest.
            waiting = set[Key]() if refused else set(self._waiting())
            self._waited = Counter({key: self._waited[key] + EVERY for key in waiting})
            for key, waited in self._waited.items():
                self.longest = max(self.longest, waited)
                text = " ".join(key)
                most = DEAF if key[-1] == HEARS_NOTHING else self._most
                assert waited <= most, f"{text}, and rests since {waited / SECOND:.1f} s"

    def _waiting(self) -> Iterator[Key]:
        resting = {each.duties.id: each for each in self._processes if not each.over and each.worker.resting}
        live = {row["id"] for row in self._hub.rows("workers")}
        there = {id_: each for id_, each in resting.items() if id_ in live}
        if there:
            yield from self._messages(there)
            yield from self._tasks(list(there.values()))
            yield from self._types(list(there.values()))

    def _messages(self, there: dict[str, ToldProcess]) -> Iterator[Key]:
        """What lies in the inbox for somebody who does not have it in memory."""
        now = self._hub.look().time()
        rows = [row for row in self._hub.rows("inbox") if not row["held"] and row["due"] <= now]
        for row in rows:
            owner = there.get(self._hub.owner_of(row["slot"]) or "")
            if owner is not None and row["id"] not in owner.duties.owner._accepted:
                yield "message", row["id"], "lies there for", owner.name, _hearing(owner)

    def _tasks(self, there: Sequence[ToldProcess]) -> Iterator[Key]:
        """What could be claimed: with a key it may have to wait for others, and a suspect has to."""
        rows = [row for row in self._hub.rows("tasks") if _is_free(row)]
        now = self._hub.look().time()
        ready = {row["name"]: QueueRow(**row).ready(now) for row in self._hub.rows("queues")}
        for row in rows if all(ready.values()) else ():
            for process in there:
                if row["queue"] in {"", *process.queues} and _has_place_for(process, row["name"]):
                    yield (
                        "task",
                        f"{row['execution']}/{row['seq']}",
                        "can be claimed by",
                        process.name,
                        _hearing(process),
                    )

    def _types(self, there: Sequence[ToldProcess]) -> Iterator[Key]:
        """Entities whose definition is there."""
        unknown = {(type_, each) for each in there for type_ in each.duties.owner.entities.unknown}
        active = {row["name"] for row in self._hub.rows("definitions") if row["active"]} if unknown else ()
        for type_, process in unknown:
            if type_ in active:
                yield "definition", type_, "is there for", process.name, _hearing(process)


def _hearing(process: ToldProcess) -> str:
    return HEARS if process.worker.store.listening else HEARS_NOTHING


def _is_free(row: dict[str, Any]) -> bool:
    return row["worker"] is None and row["deliveries"] < SUSPECT and not row["concurrency_key"]


def _has_place_for(process: ToldProcess, name: str) -> bool:
    duties = process.duties
    names, places = process.activities.claimable
    return places > 0 and name in names and not (duties.leaving or duties._suspect)
