"""An instance watched from outside: its committed history, and the machine that the history leaves.

It reads what is committed, whoever runs the instance, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from perdure.engine.codec import whole_events
from perdure.engine.events import Event, ExecutionTerminated, is_decided
from perdure.engine.machine import Machine
from perdure.engine.programs import Programs
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import HistoryRow

_PAGE = 500


class Happened(NamedTuple):
    """An event of a generation, with the machine as it was left by it; ``at`` is in microseconds."""

    generation: int
    seq: int
    at: int
    event: Event
    machine: Machine


class Follower:
    """Follows one instance from the beginning of its present generation."""

    def __init__(self, store: Store, instance_id: str) -> None:
        self._store = store
        self._programs = Programs(store.program)
        self._id = instance_id
        self._generation = 0
        self._after = 0
        self.machine: Machine | None = None

    def advance(self) -> Iterator[Happened]:
        """What has happened since the last call."""
        instance = self._store.instance(self._id)
        if instance is None:
            return
        yield from self._read()
        if instance.generation > self._generation:
            self._generation, self._after = instance.generation, 0
            self.machine = Machine(self._programs.get(instance.digest), self._id)
            yield from self._read()

    def _read(self) -> Iterator[Happened]:
        rows = True
        while rows and self.machine is not None:
            found = self._store.history(self._id, self._generation, self._after, _PAGE)
            for row in found:
                yield from self._turn(self.machine, row)
                self._after = row.next_seq
            rows = len(found) == _PAGE

    def _turn(self, machine: Machine, row: HistoryRow) -> Iterator[Happened]:
        for seq, event in enumerate(whole_events(row.events, row.values), row.first_seq):
            if not is_decided(event) and not isinstance(event, ExecutionTerminated):
                machine.step(event, seq, row.at)
            yield Happened(self._generation, seq, row.at, event, machine)
