"""Odd texts and large numbers in every field of every record: the same answer on every store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perdure.engine.store.rows import (
    EntityRow,
    EntityWrite,
    QueueRow,
    ScheduleRow,
    ScheduleWrite,
    Worker,
)
from tests.differential.calls import Call, Failure
from tests.differential.campaign import World
from tests.differential.stores import STORES
from tests.engine.store.conformance_entities import entity
from tests.engine.store.factory import (
    audited,
    batch,
    dead_letter,
    definition,
    first_turn,
    instance,
    message,
    payload,
    request,
    result,
    subscription,
    task,
    timer,
    worker,
)
from tests.shares import turn

TEXTS = ("", "e\u0301", "😀", "\U0010ffff", "\x7f", "'; --", "x" * 20_000, "\ud800")
NUMBERS = (2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1)


def _turn(number: int) -> Any:
    id_ = f"i{number}"
    return first_turn(
        id_,
        instance=instance(id_, tags={"tag": "value"}, reason="r", custom_status="1", parent_id="p"),
        payloads=(payload("1", id_),),
        timers=(timer(1, 5, id_),),
        tasks=(task(2, id_, fairness_key="f", concurrency_key="c", queue="q"),),
        subscriptions=(subscription(3, id_),),
    )


def _calls() -> list[Call]:
    """One of each call that writes records."""
    schedule = ScheduleRow(
        id="s", slot=1, workflow="w", number=1, version="1", program="p", cron="c", timezone="t", overlap="o"
    )
    write = ScheduleWrite(id="s", row=schedule, before=None)
    return [
        Call("join", (worker("w9", activities=("a",), queues=("q",)), 5)),
        Call("commit", (batch(_turn(1)),)),
        Call("commit", (batch(messages=(message("m1", "i1", execution="e"),)),)),
        Call("commit", (batch(dead_letters=(dead_letter(execution="e"),), requests=(request(),)),)),
        Call("commit", (batch(audit=(audited(),), schedules=(write,)),)),
        Call("commit", (batch(adopt=(task(9, "i9"),)),)),
        Call("post", (message("m2", "@Counter@a"), request("k2"), audited())),
        Call("start", (instance("j1"), payload("1", "j1"), message("m3", "j1"), request("k3"), audited())),
        Call("answer", (result(1, "i1"), ("i1-e1", 1))),
        Call("record", ([result(7, "i1")], [("i1-e1", 7)])),
        Call("deploy", ([(definition("1"), "program")],)),
        Call("set_queue", ("q", QueueRow(name="q", interval=1, burst=1), audited())),
        Call("commit", (batch(entities=(_entity(),)),)),
    ]


def _entity() -> Any:
    row = entity("Counter", "a")
    return EntityWrite(id=row.id, before=None, row=row)


def variants(value: Any, texts: Sequence[str], numbers: Sequence[int], within: bool = False) -> Iterator[Any]:
    """The value with one text or number of its records replaced, for each of them and each replacement."""
    match value:
        case Enum() | bool():
            return
        case str() if within:
            yield from texts
        case int() if within:
            yield from numbers
        case msgspec.Struct():
            for name in value.__struct_fields__:
                if name in _FIXED or (name == "id" and isinstance(value, _NAMED_TWICE)):
                    continue
                for other in variants(getattr(value, name), texts, numbers, within=True):
                    yield msgspec.structs.replace(value, **{name: other})
        case dict():
            for key, item in value.items():
                yield from ({**value, key: other} for other in variants(item, texts, numbers, within))
                yield from ({other: item} for other in variants(key, texts, (), within))
        case list() | tuple():
            for at, item in enumerate(value):
                for other in variants(item, texts, numbers, within):
                    yield type(value)([*value[:at], other, *value[at + 1 :]])
        case _:
            return


_FIXED = {"worker", "lease", "slot"}
"""Who commits is known, and a slot is computed."""
_NAMED_TWICE = (Worker, ScheduleWrite, ScheduleRow, EntityWrite, EntityRow)
"""Their ids are made by the engine, and must be those of the row inside."""


def _answer(name: str, directory: Path, call: Call) -> object:
    """What a new hub answers, on every store."""
    world = World([name], directory)
    try:
        world.perform(Call("join", (worker("w1"), 10**9)))
        world.perform(Call("commit", (batch(_turn(5)),)))
        answer = world.perform(call)
        world.compare()
    finally:
        world.close()
    return answer


@pytest.mark.slow
@turn("texts")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", STORES)
def test_text_domain_equal_on_all_stores(name: str, tmp_path: Path) -> None:
    """What one store takes, every other takes and gives back; what one refuses, every other refuses."""
    answers = [
        _answer(name, tmp_path, call._replace(arguments=arguments))
        for call in _calls()
        for arguments in variants(call.arguments, TEXTS, NUMBERS)
    ]
    refused = sum(isinstance(answer, Failure) for answer in answers)
    print(f"{len(answers) - refused} records taken, {refused} refused")
    assert min(refused, len(answers) - refused) > 200


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_half_a_surrogate_pair_is_refused_by_all_stores(text: str, tmp_path: Path) -> None:
    """In whatever field of what is started: nothing of it is written."""
    world = World(tuple(STORES), tmp_path)
    given = (instance(), payload(), message(), request(), audited())
    for arguments in variants(given, [text], ()):
        assert isinstance(world.perform(Call("start", arguments)), Failure)
        world.compare()
    assert world.perform(Call("instance", ("i1",))) is None
    world.close()
