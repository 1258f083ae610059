"""I4, I10: every history that a release has written is replayed by this one, to the same end."""

from __future__ import annotations

import typing
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import msgspec
import pytest

from perdure.compiler import compile_entity, compile_workflow, ir
from perdure.compiler.encode import decode, encode
from perdure.compiler.encode import digest as digest_of
from perdure.dsl import load as read
from perdure.dsl import model
from perdure.dsl.source import Source
from perdure.engine import events, ops
from perdure.engine.codec import _message, decode_events, encode_events, encode_received
from perdure.engine.instance import Status
from perdure.engine.machine import Machine
from perdure.engine.replay import replay
from tests.engine.prefixes import check_prefixes
from tests.golden.histories import HERE, RELEASE, Golden, digest, load, names, path_of, pinned, sum_of
from tests.golden.recording import record, write
from tests.golden.scenarios import SCENARIOS

NAMES = names()
golden = cache(load)


@pytest.mark.parametrize("name", NAMES)
def test_it_replays(name: str) -> None:
    """Each prefix of each history, to the decisions, the state and the end that were recorded."""
    kept = golden(name)
    programs = {each: kept.program(each) for each in kept.programs}
    for history in kept.histories:
        rows = history.rows(kept.values)
        assert pinned(rows, kept.instances[history.instance]["digest"]) == history.program
        program = programs[history.program]
        assert check_prefixes(program, history.instance, rows) > 0
        machine = replay(program, history.instance, rows)
        assert sum_of(machine) == history.sum
        assert _ending(rows[-1].events) in {None, kept.instances[history.instance]["status"]}


def _ending(text: str) -> str | None:
    match decode_events(text)[-1]:
        case events.ExecutionCompleted(status=status):
            return status
        case events.ExecutionTerminated():
            return "Terminated"
        case _:
            return None


def test_texts_are_written_as_they_were() -> None:
    """Rows of histories, messages of inboxes and Programs, read and written again."""
    for kept in map(golden, NAMES):
        texts = [turn.events for history in kept.histories for turn in history.turns]
        assert [encode_events(decode_events(each)) for each in texts] == texts
        assert [encode_received(_message.decode(each)) for each in kept.messages] == kept.messages
        for known, text in kept.programs.items():
            program = decode(text)
            assert (encode(program), digest_of(program)) == (text, known)
        for known, text in kept.entities.items():
            entity = kept.entity(known)
            assert (encode(entity.program), entity.digest) == (text, known)


def test_entities_answer_as_they_did() -> None:
    """Each operation, on the state that it found."""
    asked = [(kept, each) for kept in map(golden, NAMES) for each in kept.operations]
    for kept, each in asked:
        assert kept.entity(each.program).operate(each.state, each.call) == each.outcome
    assert {type(each.outcome).__name__ for _, each in asked} == {"Done", "Undone"}


@cache
def documents() -> dict[str, list[Any]]:
    """What is read today of the documents of each golden."""
    return {
        name: [read(Source("flow.perdure.yaml", text)) for text in golden(name).documents] for name in NAMES
    }


RECOMPILED = msgspec.json.decode(
    (HERE.parent / "recompiled.json").read_bytes(), type=dict[str, dict[str, str]]
)
"""Digests that documents have ``now`` and did not have when they were recorded, and ``why``."""


def test_documents_compile_to_what_they_did() -> None:
    """To the same digest; what is another one since then says why in ``recompiled.json``."""
    changed = {}
    for name, loaded in documents().items():
        found = {digest_of(compile_workflow(each)) for one in loaded for each in one.workflows}
        found |= {digest_of(compile_entity(each)) for one in loaded for each in one.entities}
        recorded = (*golden(name).programs, *golden(name).entities)
        missing = {RECOMPILED.get(each, {"now": each})["now"] for each in recorded} - found
        if missing:
            changed[name] = missing
    assert changed == {}


def test_what_was_recompiled_has_a_reason() -> None:
    """And is about something that was recorded."""
    recorded = {each for name in NAMES for each in (*golden(name).programs, *golden(name).entities)}
    assert all(each["why"] for each in RECOMPILED.values())
    assert RECOMPILED.keys() <= recorded


# -- what is covered ------------------------------------------------------------------------------


def test_there_are_enough() -> None:
    """Each scenario is recorded, and each record replays without one."""
    assert len(NAMES) >= 60
    assert {f"{RELEASE}/{name}" for name in SCENARIOS} <= set(NAMES), (
        "python -m tests.golden record --missing"
    )


def _parts(value: Any) -> Iterator[Any]:
    """Every record in a value."""
    if isinstance(value, msgspec.Struct):
        yield value
        value = [getattr(value, name) for name in value.__struct_fields__]
    elif is_dataclass(value) and not isinstance(value, type):
        yield value
        value = [getattr(value, each.name) for each in fields(value)]
    elif isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each)


def test_every_class_of_event_and_message_occurs() -> None:
    """In a history or in an inbox."""
    found: set[type] = set()
    for name in NAMES:
        kept = golden(name)
        texts = [decode_events(turn.events) for history in kept.histories for turn in history.turns]
        found |= {type(each) for each in _parts(texts)}
        found |= {type(part) for text in kept.messages for part in _parts(_message.decode(text))}
    wanted = {
        each
        for each in vars(events).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == events.__name__
    }
    assert wanted - found == {events._Event}
    histories = {type(event) for each in map(golden, NAMES) for one in each.histories
                 for turn in one.turns for event in decode_events(turn.events)}  # fmt: skip
    assert set(typing.get_args(events.Event)) - histories == {events.ExecutionRestarted}, "it stands in none"


def test_every_instruction_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By some replay; so a change of what one means is seen."""
    count = Counter[type]()
    for each, handler in list(ops.HANDLERS.items()):

        def counting(machine: Machine, fiber: Any, op: Any, handler: Any = handler) -> bool:
            count[op.kind] += 1
            return bool(handler(machine, fiber, op))

        monkeypatch.setitem(ops.HANDLERS, each, counting)
    for name in NAMES:
        kept = golden(name)
        for history in kept.histories:
            replay(kept.program(history.program), history.instance, history.rows(kept.values))
    assert set(typing.get_args(ir.Op)) - count.keys() == set()


def test_every_kind_of_step_is_recorded() -> None:
    """So a change of what one compiles to is seen."""
    found: set[type] = set()
    for loaded in documents().values():
        found |= {type(each) for one in loaded for each in _parts(one.workflows)}
    steps = {
        each for each in vars(model).values()
        if isinstance(each, type) and issubclass(each, model.Step) and each not in (model.Step, model.Bounded)
    }  # fmt: skip
    assert steps - found == set()


def test_every_status_is_recorded() -> None:
    """Histories that wait and such that have ended."""
    statuses = {row["status"] for name in NAMES for row in golden(name).instances.values()}
    assert statuses == {str(each) for each in Status} - {"ContinuedAsNew"}, "which no row keeps"


# -- the tool -------------------------------------------------------------------------------------


def test_what_is_recorded_is_not_replaced() -> None:
    """It is history; whoever knows better says so."""
    before = path_of(NAMES[0]).read_bytes()
    with pytest.raises(FileExistsError):
        write(NAMES[0].partition("/")[2], golden(NAMES[0]), force=False)
    assert path_of(NAMES[0]).read_bytes() == before


@pytest.mark.parametrize("name", ["retry_until_it_works", "generations_carry_events"])
def test_a_scenario_can_be_recorded_again(name: str) -> None:
    """A later release records its own; instances end as they did."""
    again, before = record(name), golden(f"{RELEASE}/{name}")
    assert _statuses(again) == _statuses(before)


def _statuses(kept: Golden) -> dict[str, str]:
    return {one: row["status"] for one, row in kept.instances.items()}


def test_another_hidden_state_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control of comparing with other interpreters: nothing is decided otherwise, and yet."""
    name, right = f"{RELEASE}/while_and_until", ops.HANDLERS[ir.Assign]

    def assign(machine: Machine, fiber: Any, op: Any) -> bool:
        fiber.frame["hidden"] = next(iter({"a", "b", "c"}))
        return right(machine, fiber, op)

    before = digest(name)
    monkeypatch.setitem(ops.HANDLERS, ir.Assign, assign)
    assert digest(name) != before


def test_another_program_is_found() -> None:
    """The negative control: an instruction that means something else does not replay."""
    kept = golden(f"{RELEASE}/retry_until_it_works")
    history = kept.histories[0]
    text = kept.programs[history.program]
    assert '"attempts":4' in text
    kept = msgspec.structs.replace(
        kept, programs={history.program: text.replace('"attempts":4', '"attempts":2')}
    )
    with pytest.raises(AssertionError, match="after event"):
        check_prefixes(kept.program(history.program), history.instance, history.rows(kept.values))


def test_another_meaning_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: an instruction that does nothing decides nothing, and yet the state differs."""
    monkeypatch.setitem(ops.HANDLERS, ir.SetVariables, lambda *_: False)
    with pytest.raises(AssertionError):
        test_it_replays(f"{RELEASE}/values_and_variables")
