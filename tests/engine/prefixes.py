"""Every prefix of a history, replayed in one pass.

A replay gives a machine one event after the other and compares what it decides. So the machine of one pass
has been, after each event, the machine that a replay of the history up to there ends with, if a replay
depends on the Program and the events and on nothing else. One pass therefore compares what every prefix
decides, and the proviso is proven beside it:

* a second machine goes through the same history in step with the first, and both are in the same state
  (whatever the machines of a process share shows here, since each runs between the steps of the other);
* ``replay`` itself, from the beginning, ends in the state that the pass was in: for some prefixes, evenly
  spread, and for the whole.

That takes as long as a few replays, where a replay of each prefix would take the square of the length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from perdure.engine.codec import Values, whole_events
from perdure.engine.events import Decided, ExecutionTerminated, is_decided
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.replay import replay
from perdure.engine.store.rows import HistoryRow

STATES = 200
"""States of one history that are compared: all of a short one, else evenly spread ones and the last."""
REPLAYS = 4
"""Prefixes of one history that are replayed from the beginning, the whole among them."""

States: TypeAlias = Mapping[tuple[str, str], Mapping[int, bytes]]
"""States that were in memory: of an instance's execution, by the ``seq`` that came next."""


class Step(msgspec.Struct, frozen=True):
    """A machine after an event that it heard, when all that it decided was found to be as recorded."""

    machine: Machine
    rows: int
    """How many rows of the history are done, this one included if this was its last event."""
    last: bool
    """Whether the row ends here."""


def check_prefixes(
    program: LinkedProgram, id: str, rows: Sequence[HistoryRow], live: Mapping[int, bytes] | None = None
) -> int:
    """Replay every prefix that ends where the machine had heard an event and decided.

    ``live`` are states that the machine had which wrote the history, by the ``seq`` that came next. Returns
    how many prefixes there are. Fails where one decides something else, or comes to another state.
    """
    stride = 1 + (rows[-1].next_seq // STATES if rows else 0)
    again = {len(rows) * part // REPLAYS for part in range(1, REPLAYS + 1)}
    states: dict[int, bytes] = {}
    count = 0
    for one, other in zip(walk(program, id, rows), walk(program, id, rows), strict=True):
        count += 1
        ends = one.last and one.rows in again
        if ends or count % stride == 0:
            state = state_of(one.machine)
            assert state == state_of(other.machine), f"{id}: two machines differ after {count} events"
            if ends:
                states[one.rows] = state
        if one.last and live is not None and (seq := rows[one.rows - 1].next_seq) in live:
            assert state_of(one.machine) == live[seq], f"{id}: memory was in another state before event {seq}"
    for length in sorted(again - {0}):
        replayed = state_of(replay(program, id, rows[:length]))
        assert replayed == states[length], f"{id}: a replay of {length} turns ends in another state"
    return count


def walk(program: LinkedProgram, id: str, rows: Sequence[HistoryRow]) -> Iterator[Step]:
    """The machine after each event that it hears, by other means than ``replay``."""
    machine = Machine(program, id)
    known = Values()
    expected = 0
    for number, row in enumerate(rows, 1):
        assert row.first_seq == expected, f"{id}: a gap before event {row.first_seq}"
        events = whole_events(row.events, row.values, known)
        expected = row.first_seq + len(events)
        assert row.next_seq == expected, f"{id}: the row from {row.first_seq} miscounts its events"
        start = 0
        while start < len(events):
            end = start + 1
            while end < len(events) and is_decided(events[end]):
                end += 1
            heard = events[start]
            decided: list[Decided] = []
            if not isinstance(heard, ExecutionTerminated):
                decided = machine.step(heard, row.first_seq + start, row.at)  # type: ignore[arg-type]
            assert decided == events[start + 1 : end], f"{id}: after event {row.first_seq + start}"
            yield Step(machine, number, end == len(events))
            start = end


def state_of(machine: Machine) -> bytes:
    """All that a machine knows."""
    return msgspec.json.encode(machine.state)
