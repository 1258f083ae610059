"""A history told again to a fresh machine: for what has ended and is to go on, and for what branches off.

What a history received are *facts*. They are told to a new machine in their order, at their times, but for
those that are left out. An answer belongs to a decision; it is told as the answer to the same decision of
the new run: same kind, same path, same attempt or purpose, and the same number among those. Facts without
such a decision are dropped: nobody asked. So whatever follows from what was left out has not happened, and
everything else has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from perdure.engine.codec import Values, whole_events
from perdure.engine.events import (
    ContinueAsNew,
    Decided,
    EntityOperationFailed,
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    ParentAttached,
    Received,
    StepResolved,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TimerFired,
    is_answer,
    is_decided,
    kind,
)
from perdure.engine.failure import CHILD, TOLERANCE
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.state import LockWait
from perdure.engine.store.rows import HistoryRow

Name = tuple[str, str, str]
"""What a decision is called in any run: its kind, its path, and its attempt or purpose."""

LIMITS = ("timeout", "deadline")
"""Purposes of timers whose firing is a failure."""


class CannotGoOn(Exception):
    """What is asked for makes no sense of this history; the text says why."""


class Fact(msgspec.Struct, frozen=True):
    """Something a history received: the ``seq`` and time it has there, and what it answers, if anything.

    ``number`` counts the decisions of that name. ``chunk``: it is the answer of a chunk of a fan-out.
    """

    seq: int
    at: int
    event: Any
    name: Name | None = None
    number: int = 0
    chunk: bool = False


class History(msgspec.Struct):
    """A history as it is told: its facts in order, how many decisions of each name it has, and its error.

    ``first`` has the ``seq`` of the first decision at each path.
    """

    facts: list[Fact] = []
    decided: dict[Name, int] = {}
    first: dict[str, int] = {}
    error: dict[str, Any] | None = None


class Rerun(msgspec.Struct):
    """What came of a run: its turns as time and events, and the ``machine`` that has what is open.

    ``fresh`` are ``seq`` of the decisions that the history does not have, ``dropped`` the facts that nobody
    asked for.
    """

    machine: Machine
    turns: list[tuple[int, list[Event]]]
    decisions: dict[int, Decided]
    fresh: set[int]
    dropped: list[Fact]


class _Names:
    """Counts decisions by name, so that those of two runs can be told apart and matched."""

    def __init__(self) -> None:
        self.seqs: dict[Name, list[int]] = {}
        self._of: dict[int, tuple[Name, int]] = {}

    def add(self, seq: int, decision: Decided) -> tuple[Name, int] | None:
        """The name and number of a decision; None for one that is not told by where it stands."""
        name = self._name(decision)
        if name is None:
            return None
        seqs = self.seqs.setdefault(name, [])
        seqs.append(seq)
        self._of[seq] = found = (name, len(seqs) - 1)
        return found

    def _name(self, decision: Decided) -> Name | None:
        path = getattr(decision, "path", None)
        if path is not None:
            word = getattr(decision, "attempt", None) or getattr(decision, "purpose", "")
            return kind(decision), path, str(word)
        asked = self._of.get(getattr(decision, "scheduled_seq", -1))
        return None if asked is None else (kind(decision), *asked[0][1:])

    def of(self, seq: int) -> tuple[Name, int] | None:
        """The name and number of an earlier decision."""
        return self._of.get(seq)

    def find(self, name: Name, number: int) -> int | None:
        """The ``seq`` of a decision in this run."""
        seqs = self.seqs.get(name, [])
        return seqs[number] if number < len(seqs) else None


def read(rows: Iterable[HistoryRow]) -> History:
    """Read a history. Raises ``CannotGoOn`` for one that cannot be read."""
    found, names, known, chunks = History(), _Names(), Values(), set[int]()
    for row in rows:
        try:
            events = whole_events(row.events, row.values, known)
        except msgspec.MsgspecError as error:
            raise CannotGoOn(f"its history cannot be read: {error}") from error
        for seq, event in enumerate(events, row.first_seq):
            if is_decided(event):
                called = names.add(seq, event)
                if called is not None:
                    found.first.setdefault(called[0][1], seq)
                if isinstance(event, SubOrchestrationInstanceCreated) and event.chunk is not None:
                    chunks.add(seq)
                if isinstance(event, ExecutionCompleted):
                    found.error = event.error
            else:
                asked = getattr(event, "scheduled_seq", -1)
                name, number = names.of(asked) or (None, 0)
                found.facts.append(Fact(seq, row.at, event, name, number, asked in chunks))
    found.decided = {name: len(seqs) for name, seqs in names.seqs.items()}
    return found


def run(
    program: LinkedProgram,
    instance_id: str,
    history: History,
    start: ExecutionStarted,
    kept: Callable[[Fact], bool],
) -> Rerun:
    """Tell the facts that are ``kept`` to a new machine, which begins with ``start``.

    Raises ``CannotGoOn`` when it ends all the same.
    """
    machine = Machine(program, instance_id)
    found = Rerun(machine=machine, turns=[], decisions={}, fresh=set(), dropped=[])
    names, seq = _Names(), 0
    for fact in history.facts:
        if isinstance(fact.event, ExecutionStarted):
            event: Received | None = start
        elif isinstance(fact.event, ExecutionTerminated | ParentAttached) or not kept(fact):
            continue
        else:
            event = _translated(fact, names)
        if event is None or not machine.expects(event):
            found.dropped.append(fact)
            continue
        decisions = machine.step(event, seq, fact.at)
        _append(found.turns, fact.at, [event, *decisions])
        for number, decision in enumerate(decisions, seq + 1):
            found.decisions[number] = decision
            if isinstance(decision, ContinueAsNew | ExecutionCompleted):
                raise CannotGoOn(_ended(decision))
            called = names.add(number, decision)
            if called is None or called[1] >= history.decided.get(called[0], 0):
                found.fresh.add(number)
        seq += 1 + len(decisions)
    return found


def _append(turns: list[tuple[int, list[Event]]], at: int, events: list[Event]) -> None:
    if turns and turns[-1][0] == at:
        turns[-1][1].extend(events)
    else:
        turns.append((at, events))


def _translated(fact: Fact, names: _Names) -> Received | None:
    """The fact as an answer to a decision of this run; None when there is no such decision."""
    event: Received = fact.event
    if not is_answer(event):
        return event
    seq = None if fact.name is None else names.find(fact.name, fact.number)
    return None if seq is None else msgspec.structs.replace(event, scheduled_seq=seq)


def _ended(decision: Decided) -> str:
    if isinstance(decision, ExecutionCompleted) and decision.error is not None:
        error = decision.error
        return (
            f"no call, child or time limit failed: {error['type']} comes from the workflow itself"
            f" ({error['path']}: {error['message']})"
        )
    return "with this past it comes to its end at once"


# -- what failed -----------------------------------------------------------------------------------


def failures(history: History, machine: Machine, error: dict[str, Any]) -> set[int]:
    """``seq`` of the facts that an instance's error comes from: every failure of the steps that failed.

    ``machine`` has heard all of the history. Earlier attempts of these steps are among them, so they have all
    their attempts again. So are the ends of chunks in which, or because of which, the steps failed.
    """
    paths = set(_failed(machine, error))
    return {
        fact.seq
        for fact in history.facts
        if fact.name is not None
        and _is_failure(fact)
        and (fact.name[1] in paths or (fact.chunk and _touches(fact.name[1], paths)))
    }


def ended_by_hand(history: History, machine: Machine, error: dict[str, Any]) -> str | None:
    """The path of a step that an operator has ended with what became the instance's error."""
    paths = set(_failed(machine, error))
    events = [fact.event for fact in history.facts]
    by_hand = [each for each in events if isinstance(each, StepResolved) and each.error is not None]
    return next((each.path for each in by_hand if each.path in paths), None)


def _touches(fan_out: str, paths: set[str]) -> bool:
    """Whether one of the steps is an item's of a fan-out, or has the fan-out inside."""
    return any(path.startswith(f"{fan_out}[") or fan_out.startswith(f"{path}/") for path in paths)


def _failed(machine: Machine, error: Any) -> Iterator[str]:
    """The paths of the steps that failed."""
    while isinstance(error, dict) and isinstance(error.get("path"), str):
        path, kind_of_error = error["path"], error.get("type")
        yield path
        if kind_of_error == TOLERANCE:
            for each in machine.lost_branches:
                if each.path is not None and each.path.startswith(f"{path}["):
                    yield from _failed(machine, each.to_json())
        # What a child says of its own steps is about another history.
        error = None if kind_of_error == CHILD else error.get("cause")


def _is_failure(fact: Fact) -> bool:
    """A call, a child or an operation that failed, or a time limit that was passed."""
    if isinstance(fact.event, TimerFired):
        return fact.name is not None and fact.name[2] in LIMITS
    return isinstance(fact.event, TaskFailed | SubOrchestrationInstanceFailed | EntityOperationFailed)


def lock_held(machine: Machine) -> str | None:
    """An entity that the machine counts on holding, though its lock was given back; None without one."""
    waits = [fiber.wait for fiber in machine.state.fibers.values()]
    asked = {wait.seq for wait in waits if isinstance(wait, LockWait) and not machine.is_held(wait.seq)}
    return next((entity for seq, entity in machine.state.locks.items() if seq not in asked), None)
