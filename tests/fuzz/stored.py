"""Mutated texts of the database: Programs, turns, messages. What reads them refuses or agrees."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any, NamedTuple

import msgspec

from perdure.compiler import encode
from perdure.compiler.build import build
from perdure.dsl import Source
from perdure.engine import codec
from tests.checkout import ROOT
from tests.fuzz import documents
from tests.fuzz.values import as_text, changed, damaged, nodes


class Stored(NamedTuple):
    """A text as it might be read, and the one that was written."""

    kind: str
    data: bytes
    written: str


_LONGEST = 6000
"""Characters of a text that is mutated: what is longer takes longer, and has nothing else in it."""


@cache
def programs() -> tuple[str, ...]:
    """The Programs of the documents that compile."""
    built = [build(Source("case.yaml", text)) for text in documents.seeds() if len(text) < 20_000]
    found: list[Any] = [each.program for one in built for each in one.workflows]
    found += [each.program for one in built for each in one.entities]
    return tuple(text for program in found if len(text := encode.encode(program)) < _LONGEST)


@cache
def turns() -> tuple[str, ...]:
    """The turns of the golden histories."""
    files = sorted(ROOT.glob("tests/golden/histories/**/*.json"))
    trees = [node for path in files for node in nodes(json.loads(path.read_text("utf-8")))]
    found = {node["events"] for node in trees if isinstance(node, dict) and _is_turn(node)}
    return tuple(sorted(text for text in found if len(text) < _LONGEST))


def _is_turn(node: dict[str, Any]) -> bool:
    return isinstance(node.get("events"), str)


@cache
def messages() -> tuple[str, ...]:
    """Single events, as they lie in the inbox."""
    found = []
    for text in turns():
        for event in msgspec.json.decode(text):
            try:
                codec.decode_received(json.dumps(event))
            except msgspec.MsgspecError:
                continue
            found.append(json.dumps(event))
    return tuple(dict.fromkeys(found))


_SEEDS = {"program": programs, "turn": turns, "message": messages}


def seeds_of(kind: str) -> tuple[str, ...]:
    """The texts of a kind as they were written."""
    return _SEEDS[kind]()


@cache
def trees(kind: str) -> tuple[Any, ...]:
    """The seeds of a kind as data."""
    return tuple(json.loads(text) for text in seeds_of(kind))


@cache
def parts(kind: str) -> tuple[Any, ...]:
    """What stands in the seeds of a kind, but for the longest pieces."""
    return tuple(node for tree in trees(kind) for node in nodes(tree) if len(str(node)) < 300)


@cache
def words(kind: str) -> tuple[str, ...]:
    """The names of fields."""
    found = {key for tree in trees(kind) for node in nodes(tree) if isinstance(node, dict) for key in node}
    return tuple(sorted(found))


def stored(seed: int, number: int) -> Stored:
    """The mutated text of that number; the same every time."""
    source = random.Random(f"stored {seed} {number}")
    kind = source.choice(("program", "turn", "turn", "message"))
    tree = source.choice(trees(kind))
    written = json.dumps(tree)
    text = as_text(source, changed(source, tree, parts(kind), words(kind)))
    try:
        data = text.encode()
    except UnicodeEncodeError:
        data = text.encode(errors="surrogatepass")
    return Stored(kind, damaged(source, data) if source.random() < 0.3 else data, written)


def examine(given: Stored) -> str | None:
    """What is wrong with how a text is read, or None; any other exception is wrong too."""
    try:
        text = given.data.decode()
    except UnicodeDecodeError:
        return None  # no text of a database
    match given.kind:
        case "program":
            return _program(text, given.written)
        case "turn":
            return _turn(text)
        case _:
            return _message(text)


def _program(text: str, written: str) -> str | None:
    try:
        program: Any = encode.decode_entity(text) if '"operations"' in text[:200] else encode.decode(text)
    except encode.UnknownProgram:
        return None
    again = type(program)
    decode = encode.decode if again.__name__ == "Program" else encode.decode_entity
    if decode(encode.encode(program)) != program:
        return "it is another Program when it is written again"
    if json.loads(written) != json.loads(text) and encode.encode(program) == written:
        return "two texts are one Program"
    return None


def _turn(text: str) -> str | None:
    try:
        events = codec.decode_events(text)
    except msgspec.MsgspecError:
        return None
    if codec.decode_events(codec.encode_events(events)) != events:
        return "the events are others when they are written again"
    try:
        whole = codec.whole_events(text, {})
    except msgspec.MsgspecError:
        return None
    split = codec.split_events(whole)
    if codec.whole_events(split.text, split.values) != whole:
        return "the events are others when their values are kept apart"
    return None


def _message(text: str) -> str | None:
    try:
        event = codec.decode_received(text)
    except msgspec.MsgspecError:
        return None
    split = codec.split_received(event)
    if codec.decode_received(split.text, split.values) != event:
        return "the event is another one when its values are kept apart"
    return None
