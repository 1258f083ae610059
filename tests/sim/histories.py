"""C8: what an owner has in memory is what the history adds up to, whoever replays it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from perdure.engine.codec import whole_events
from perdure.engine.events import ExecutionMigrated, ExecutionStarted
from perdure.engine.instance import Instance
from perdure.engine.programs import Programs
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Batch, HistoryRow, InstanceQuery
from tests.engine.prefixes import check_prefixes, state_of
from tests.sim.checks import check_events
from tests.sim.process import Process

REPLAYED = 0.4
"""The part of the histories of which every prefix is replayed: other tests do nothing else."""
STATES_EVERY = 4
"""Commits between two whose instances' states in memory are remembered."""


class Histories:
    """States in memory as the run goes on, and at its end the histories beside them."""

    def __init__(self, seed: int, processes: Sequence[Process]) -> None:
        self.replayed = 0
        self.compared = 0
        self._chance = Random(f"the samples of {seed}")
        self._processes = processes
        self._commits = 0
        self._states: defaultdict[tuple[str, int], dict[int, bytes]] = defaultdict(dict)
        """By instance and generation, and by the ``seq`` that comes next."""

    def committed(self, batch: Batch) -> None:
        """A batch was written: remember now and then what its owner has in memory."""
        for row in (row for turn in batch.checkpoints for row in turn.history if row.first_seq == 0):
            # Whoever had this id before, or went on in another way, is not there any more.
            self._states.pop((row.instance, row.generation), None)
        self._commits += 1
        owners = [each for each in self._processes if batch.worker in each.member_ids[-1:] and not each.over]
        if self._commits % STATES_EVERY or not owners:
            return
        for turn in batch.checkpoints:
            hot = owners[0].duties.owner._hot.get(turn.id)
            if hot is None or hot.running is None or not turn.history:
                continue
            running, last = hot.running, turn.history[-1]
            if running.instance.generation == last.generation:
                self._states[turn.id, last.generation][last.next_seq] = state_of(running.machine)

    def check(self, store: Store) -> None:
        """What every instance that is there has written, whoever it belongs to."""
        programs = Programs(store.program)
        for row in store.instances(InstanceQuery(limit=10_000, chunks=True)):
            for generation in range(1, row.generation + 1):
                check_events(store, row.id, generation)
                if self._chance.random() < REPLAYED:
                    self._replay(store, row, generation, programs)

    def _replay(self, store: Store, row: Instance, generation: int, programs: Programs) -> None:
        rows = store.history(row.id, generation, 0, 1_000_000)
        states = self._states.get((row.id, generation), {})
        check_prefixes(programs.get(_digest_of(rows, row)), row.id, rows, states)
        self.replayed += 1
        self.compared += len(states.keys() & {each.next_seq for each in rows})


def _digest_of(rows: Sequence[HistoryRow], row: Instance) -> str:
    """The Program that a generation ran in the end: what has gone on since may have another."""
    digest = row.digest
    for event in (event for each in rows for event in whole_events(each.events, each.values)):
        if isinstance(event, ExecutionStarted | ExecutionMigrated):
            digest = event.digest
    return digest
