"""An instance in its owner's memory, and what comes for it."""

from __future__ import annotations

import msgspec

from perdure.engine.events import (
    ExecutionStarted,
    Received,
)
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.open_work import first_event
from perdure.engine.replay import replay
from perdure.engine.store.rows import HistoryRow, Loaded, Message


class Input(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something for an instance. ``message`` is the inbox row that says it too, if there is one.

    ``stored``: that row is in the database; else it is to be written unless a turn of the same batch
    takes the input. An input without a message (a timer, a local result) is known otherwise.
    """

    event: Received
    execution: str | None = None
    message: Message | None = None
    stored: bool = False


class Running:
    """An instance in its owner's memory, ``at`` its last time.

    ``past`` is the history of one that has ended and is to go on: a turn with that order makes of it what
    the order says.
    """

    def __init__(self, instance: Instance, program: LinkedProgram) -> None:
        self.instance = instance
        self.program = program
        self.machine = Machine(program, instance.id)
        self.past: tuple[HistoryRow, ...] | None = None
        self.coming: ExecutionStarted | None = None
        """What the generation will begin with, read from the inbox when it had not begun."""
        self.next_seq = 0
        self.at = 0
        self.migrating = False
        """Whether it was read with the Program that it is to move to, for the order to do so."""
        self.size = 0
        """Bytes of history of this generation: what it costs to keep, or to load again."""
        self.stored: set[str] = set()
        """Keys of the large values that the history of this generation refers to."""

    @classmethod
    def load(cls, loaded: Loaded, program: LinkedProgram) -> Running:
        """From the database. Raises ``NonDeterminismError``."""
        running = cls(loaded.instance, program)
        running.machine = replay(program, loaded.instance.id, loaded.history)
        running.coming = first_event(loaded)
        if loaded.history:
            last = loaded.history[-1]
            running.next_seq, running.at = last.next_seq, last.at
            running.size = sum(len(row.events) for row in loaded.history)
            texts = {key: text for row in loaded.history for key, text in row.values.items()}
            chunk = running.machine.started.chunk if running.machine.state.begun else None
            lent = set() if chunk is None else {chunk.items, chunk.around}
            running.stored = set(texts) - lent
            running.size += sum(len(texts[key]) for key in running.stored)
        return running

    @classmethod
    def ended(cls, loaded: Loaded, program: LinkedProgram) -> Running:
        """One that has ended, for an order to go on with this Program. Nothing is replayed."""
        running = cls(loaded.instance, program)
        running.past = loaded.history
        running.machine.state.ended = True
        if loaded.history:
            running.next_seq, running.at = loaded.history[-1].next_seq, loaded.history[-1].at
        return running

    @property
    def open_tasks(self) -> set[int]:
        """``seq`` of each task that the instance waits for."""
        return set(self.machine.state.tasks)
