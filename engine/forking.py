"""Fork: another instance begins with the past of one, up to a step, and goes on from there.

The facts that the instance had heard before the step was asked for are told to a fresh machine (see
``rerun``), of the same Program or of another version's. Each of them must be asked for there as well, and
the step too: then the new history is one that this Program could have made.

The key seed is that of the instance forked: what was drawn from it (UUIDs, keys) is in the results that
are taken over, and a step that is done again repeats its idempotency key.
"""

from __future__ import annotations

import re

import msgspec

from perdure.engine import rerun
from perdure.engine.by_hand import waits_open
from perdure.engine.codec import decode_events, encode_events
from perdure.engine.events import (
    Decided,
    ExecutionForked,
    ExecutionMigrated,
    ExecutionStarted,
    ExecutionTerminated,
    is_decided,
    kind,
)
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.replay import replay
from perdure.engine.rerun import CannotGoOn, Fact, History, Rerun
from perdure.engine.store.rows import HistoryRow

_KEYS = re.compile(r"\[[^\]]*\]")


def fork(
    source: LinkedProgram,
    past: tuple[HistoryRow, ...],
    program: LinkedProgram,
    instance: Instance,
    step: str,
    reason: str | None,
) -> tuple[Instance, ExecutionForked]:
    """The new instance, whose row is given, with its first message. ``step`` is a path, or a step's name.

    ``source`` is the Program that has made the ``past``, ``program`` the one that goes on. Raises
    ``CannotGoOn`` when the instance forked never came to the step, or the Program would not.
    """
    history = rerun.read(past)
    begun = history.facts[0].event if history.facts else None
    if not isinstance(begun, ExecutionStarted):
        raise CannotGoOn("it never began")
    if begun.chunk is not None:
        raise CannotGoOn("it does a part of its parent's work")
    cut = _first(source, history, step)
    start = msgspec.structs.replace(
        begun,
        execution=instance.execution,
        version=instance.version,
        digest=instance.digest,
        parent=None,
        told=False,
        others=(),
        queue=None,
    )
    # A move to another version was one of the other instance: this one begins with its own.
    found = rerun.run(
        program,
        instance.id,
        history,
        start,
        lambda fact: fact.seq < cut and not isinstance(fact.event, ExecutionMigrated),
    )
    _check(program, found, step)
    event = ExecutionForked(
        source=past[0].instance,
        step=step,
        reason=reason,
        input=begun.input,
        turns=tuple((at, encode_events(events)) for at, events in found.turns),
        fresh=tuple(sorted(found.fresh)),
    )
    instance = msgspec.structs.replace(instance, generation=begun.generation, tags=begun.tags)
    return instance, event


def _is_at(path: str, step: str) -> bool:
    """Whether something asked for at a path belongs to a step, given by its path or by its name."""
    return path == step or path.startswith((f"{step}/", f"{step}[")) or step in _KEYS.sub("", path).split("/")


def _first(source: LinkedProgram, history: History, step: str) -> int:
    """The ``seq`` behind all that had happened when the instance first came to the step."""
    seqs = [seq for path, seq in history.first.items() if _is_at(path, step)]
    seqs += [] if seqs else _first_wait(source, history, step)
    if not seqs:
        known = ", ".join(list(history.first)[:20])
        raise CannotGoOn(
            f"it never came to {step!r}; it came to: {known or 'nothing that could be asked for'}"
        )
    return min(seqs)


def _first_wait(source: LinkedProgram, history: History, step: str) -> list[int]:
    """The same for a step that decides nothing: it waits for an event without a limit."""
    machine = Machine(source, "")
    for fact in history.facts:
        if isinstance(fact.event, ExecutionTerminated):
            break
        machine.step(fact.event, fact.seq, fact.at)
        if any(_is_at(path, step) for path in waits_open(machine)):
            return [fact.seq + 1]
    return []


def _check(program: LinkedProgram, found: Rerun, step: str) -> None:
    name = f"{program.program.name}@{program.program.version}"
    if found.dropped:
        fact = found.dropped[0]
        raise CannotGoOn(f"{name} does not ask for what event {fact.seq} answers: {_described(fact)}")
    asked = [getattr(each, "path", "") for each in found.decisions.values()]
    if not any(_is_at(path, step) for path in [*asked, *waits_open(found.machine)]):
        last = next((path for path in reversed(asked) if path), "nothing")
        raise CannotGoOn(
            f"{name} does not come to {step!r} with this past: the last that it asks for is {last}"
        )
    entity = rerun.lock_held(found.machine)
    if entity is not None:
        raise CannotGoOn(f"{step!r} is inside a lock of {entity}, which only the other instance holds")


def _described(fact: Fact) -> str:
    if fact.name is None:
        return kind(fact.event)
    asked, path, _ = fact.name
    return f"{asked} at {path}"


def begin(program: LinkedProgram, instance: Instance, event: ExecutionForked) -> Rerun:
    """The past that a new instance begins with. Raises ``NonDeterminismError`` if it is not the Program's."""
    rows, turns, decisions, seq = [], [], dict[int, Decided](), 0
    for at, text in event.turns:
        events = decode_events(text)
        rows.append(
            HistoryRow(
                instance=instance.id,
                generation=instance.generation,
                first_seq=seq,
                next_seq=seq + len(events),
                open=0,
                at=at,
                events=text,
            )
        )
        decisions |= {number: each for number, each in enumerate(events, seq) if is_decided(each)}
        turns.append((at, events))
        seq += len(events)
    machine = replay(program, instance.id, rows)
    return Rerun(machine=machine, turns=turns, decisions=decisions, fresh=set(event.fresh), dropped=[])
