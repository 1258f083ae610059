"""What can be seen of a hub from outside, where nothing ever fails; and waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from perdure.engine.codec import whole_events
from perdure.engine.events import Event
from perdure.engine.instance import Instance, Status
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import EntityRow
from tests.crash_points.disks import Disk
from tests.crash_points.faults import Injector


class Looks:
    """The part of a world that looks."""

    disk: Disk
    eye: Store
    injector: Injector
    notes: list[str]

    if TYPE_CHECKING:

        def until(self, condition: Callable[[], bool], what: str = "") -> None: ...

    def row(self, id: str) -> Instance:
        """The committed row of an instance."""
        row = self.eye.instance(id)
        assert row is not None, f"I1: there is no instance {id}"
        return row

    def status(self, id: str) -> str:
        """Its status; empty when it is not there."""
        row = self.eye.instance(id)
        return "" if row is None else str(row.status)

    def ended(self, *ids: str) -> None:
        """Wait until instances have ended."""
        for id_ in ids:
            self.until(partial(self._has_ended, id_), f"the end of {id_}")

    def _has_ended(self, id: str) -> bool:
        row = self.eye.instance(id)
        return row is not None and row.status.ended

    def until_status(self, id: str, status: Status) -> None:
        """Wait until an instance has a status."""
        self.until(lambda: self.status(id) == status, f"{id} to be {status}")

    def output(self, id: str) -> Any:
        """What an instance that completed has given."""
        payloads = self.eye.payloads(id)
        assert self.status(id) == "Completed", (id, self.status(id), self.row(id).reason, payloads)
        return msgspec.json.decode(payloads["output"])

    def error(self, id: str) -> Any:
        """What an instance has failed with."""
        payloads = self.eye.payloads(id)
        assert self.status(id) in {"Failed", "Canceled"}, (id, self.status(id), payloads)
        return msgspec.json.decode(payloads["error"])

    def events(self, id: str, generation: int | None = None) -> list[Event]:
        """The history of a generation, the present one by default."""
        row = self.row(id)
        rows = self.eye.history(id, generation or row.generation, 0, 100_000)
        return [event for each in rows for event in whole_events(each.events, each.values)]

    def until_event(self, id: str, kind: type[Any], count: int = 1) -> None:
        """Wait until an instance has so many events of a kind in its present generation."""
        self.until(
            lambda: (
                self.eye.instance(id) is not None
                and sum(isinstance(each, kind) for each in self.events(id)) >= count
            ),
            f"{kind.__name__} of {id}",
        )

    def state(self, entity: str) -> Any:
        """The committed state of an entity."""
        rows = self.eye.load_entities([f"@{entity}"])
        return msgspec.json.decode(rows[0].state) if rows and rows[0].state is not None else None

    def entities(self) -> list[EntityRow]:
        """Entities that have a state, or are held."""
        return self.eye.load_entities(self.disk.entity_ids())

    def told(self) -> str:
        """What somebody who looks for a mistake wants to know."""
        rows = self.disk.view()
        names = ("inbox", "timers", "tasks", "counts", "slots")
        lines = [f"{row.id}: {row.status} {row.reason or ''}" for row in rows["instances"]]
        lines += [f"{name}: {rows[name]}" for name in names]
        lines += [f"schedule: {row}" for row in rows["schedules"]]
        lines += [f"workers: {[worker.id for worker in self.eye.workers()]}"]
        calls = [
            f"{call.number} {call.who} {call.name} {call.statements}" for call in self.injector.log[-60:]
        ]
        return "\n".join([*lines, *self.notes, "the last calls:", *calls])
