"""Golden histories: what a release has written, kept as it was, with all that is needed to replay it.

A file has the documents, the Programs that they were compiled to, and the histories as they are stored. What
the histories add up to is written beside them in words that outlive the machine's own state: whether
something has ended, what is open, what the variables and the queries say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from perdure.compiler.encode import decode, decode_entity
from perdure.engine import header
from perdure.engine.codec import decode_events, whole_events
from perdure.engine.entities import Call, Done, LinkedEntity, Undone, link_entity
from perdure.engine.events import ExecutionMigrated, ExecutionStarted, kind
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.store.rows import HistoryRow
from tests.engine.prefixes import state_of, walk

HERE = Path(__file__).parent / "histories"
RELEASE = "0.1"
"""The release whose histories are recorded now."""


class Turn(msgspec.Struct, omit_defaults=True):
    """A row of a history: ``events`` is the text that is stored, ``values`` the keys of what it refers to."""

    first_seq: int
    at: int
    events: str
    values: list[str] = []


class Sum(msgspec.Struct, omit_defaults=True):
    """What a history adds up to. Tasks, timers and questions are those that are open, by their ``seq``."""

    ended: bool
    suspended: bool = False
    variables: dict[str, Any] = {}
    custom_status: Any = None
    queries: dict[str, Any] = {}
    tasks: list[int] = []
    timers: dict[int, int] = {}
    questions: dict[int, str] = {}
    locks: dict[int, str] = {}
    subscriptions: list[str] = []
    unheard: list[str] = []
    """Events that nobody has taken, and what waits until it goes on."""


class History(msgspec.Struct):
    """One generation of an instance. ``program`` is the digest of the Program that replays it."""

    instance: str
    generation: int
    program: str
    turns: list[Turn]
    sum: Sum

    def rows(self, values: Mapping[str, str]) -> list[HistoryRow]:
        """As the store gives them, with the large values that it keeps apart."""
        return [
            HistoryRow(
                instance=self.instance,
                generation=self.generation,
                first_seq=turn.first_seq,
                next_seq=turn.first_seq + len(decode_events(turn.events)),
                open=0,
                at=turn.at,
                events=turn.events,
                values={key: values[key] for key in turn.values},
            )
            for turn in self.turns
        ]


class Operation(msgspec.Struct):
    """One operation of an entity, on a state, and what came of it. ``program`` is the entity's digest."""

    program: str
    state: Any
    call: Call
    outcome: Done | Undone


class Golden(msgspec.Struct):
    """A scenario as a release has recorded it.

    ``instances`` are the rows in which they ended, with their values. ``values`` are the large ones, by their
    keys. ``messages`` are texts of the inbox, one of each kind.
    """

    about: str
    release: str
    documents: list[str]
    programs: dict[str, str]
    entities: dict[str, str]
    values: dict[str, str]
    histories: list[History]
    instances: dict[str, dict[str, Any]]
    operations: list[Operation]
    messages: list[str]

    def program(self, digest: str) -> LinkedProgram:
        """A stored Program, made ready to run."""
        return LinkedProgram(decode(self.programs[digest]), digest)

    def entity(self, digest: str) -> LinkedEntity:
        """The same for an entity."""
        return link_entity(decode_entity(self.entities[digest]))


def names() -> list[str]:
    """All golden histories, as release and name."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in HERE.glob("*/*.json"))


def path_of(name: str) -> Path:
    """Where one is kept."""
    return HERE / f"{name}.json"


def load(name: str) -> Golden:
    """Read one."""
    return msgspec.json.decode(path_of(name).read_bytes(), type=Golden)


def pinned(rows: list[HistoryRow], default: str) -> str:
    """The digest of the Program that replays a history: the last one that it was moved to."""
    events = [event for row in rows for event in whole_events(row.events, row.values)]
    pins = [each.digest for each in events if isinstance(each, ExecutionStarted | ExecutionMigrated)]
    return pins[-1] if pins else default


def sum_of(machine: Machine) -> Sum:
    """What a machine has come to."""
    state = machine.state
    status = state.custom_status
    return Sum(
        ended=state.ended,
        suspended=state.suspended,
        variables=state.variables,
        custom_status=None if status is msgspec.UNSET else status,
        queries={name: header.answer(machine, name) for name in machine.program.queries}
        if state.begun
        else {},
        tasks=sorted(state.tasks),
        timers={seq: use.fire_at for seq, use in sorted(state.timers.items())},
        questions={seq: each.instance for seq, each in sorted(state.questions.items())},
        locks=dict(sorted(state.locks.items())),
        subscriptions=[f"{each.event} {each.key}" for _, each in sorted(state.subscriptions.items())],
        unheard=[kind(each) for each in (*state.buffer, *state.held)],
    )


def digest(name: str) -> str:
    """All states that the machines of a golden go through, and what its entities answer, in one digest."""
    golden, found = load(name), hashlib.sha256()
    programs = {each: golden.program(each) for each in golden.programs}
    for history in golden.histories:
        for step in walk(programs[history.program], history.instance, history.rows(golden.values)):
            found.update(state_of(step.machine))
    for each in golden.operations:
        found.update(msgspec.json.encode(golden.entity(each.program).operate(each.state, each.call)))
    return f"{name} {found.hexdigest()}"
