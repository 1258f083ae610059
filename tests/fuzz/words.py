"""Mutated short texts: durations, cron expressions, cursors, ids, inputs of the command line."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from perdure.cli.failures import Stop
from perdure.cli.inputs import parse_json, read_input
from perdure.dsl.cron import check_cron, fires
from perdure.dsl.duration import MOST, format_duration, parse_duration
from perdure.engine.cursors import decode_cursor, encode_cursor
from perdure.engine.errors import UserError
from perdure.engine.instance import id_problem
from perdure.engine.store.rows import InstanceQuery
from tests.fuzz.texts import TextMutator
from tests.fuzz.values import ODD, as_text, changed


class Word(NamedTuple):
    """A text, and what reads it."""

    kind: str
    text: str


_DURATIONS = ("250ms", "30s", "1h30m", "3d", "PT1H30M", "P3D", "P1W", "P1DT0.5H", "1.5h", "0s", "1d2h3m4s5ms",
              "9223372036854775807ms", "0.000001s", "999999999999999999d")  # fmt: skip
_CRONS = ("0 2 * * *", "*/15 * * * *", "0 0 29 2 *", "5,10 1-5 1 1,6 MON-FRI", "0 0 L * *", "0 0 * * 5#2",
          "* * 31 2 *", "59 23 31 12 7", "0 0 1-31/2 JAN-DEC/3 0-7")  # fmt: skip
_CURSORS = tuple(encode_cursor(each) for each in ((5, "a"), ("é", "b"), (2**63 - 1, ""), ("x",)))
_INPUTS = ("a=1", "b=text", 'c={"a": [1, 2.5e3, null, true]}', "d=", "e==", 'f="\\u00e9"', "g=[[]]",
           "h=1e400",
           "i=NaN", 'j={"a":1,"a":2}', 'k="\\ud800"')  # fmt: skip
SEEDS = {"duration": _DURATIONS, "cron": _CRONS, "cursor": _CURSORS, "input": _INPUTS, "json": (),
          "id": ("order-1", "a b", "é", "@x", "a/b")}  # fmt: skip
_WORDS = "d h m s ms PT P W D * / - , # L MON JAN 0 59 60 = { } [ ] : null true 1e999 NaN \\ud800 %".split()
_KINDS: tuple[Any, ...] = (tuple[int, str], tuple[int | str, str], tuple[str, str], int)


def word(seed: int, number: int) -> Word:
    """The mutated text of that number; the same every time."""
    source = random.Random(f"word {seed} {number}")
    kind = source.choice(list(SEEDS))
    if kind == "json":
        return Word(kind, as_text(source, changed(source, {"a": [1, {"b": "c"}]}, ODD[:10], ("a", "b"))))
    seeds = SEEDS[kind]
    text, mutator = source.choice(seeds), TextMutator(source, _WORDS)
    for _ in range(source.choice((0, 1, 1, 2, 4))):
        text = mutator.change(text, source.choice(seeds))
    return Word(kind, text)


def examine(given: Word) -> str | None:
    """What is wrong with how a text is read, or None; any other exception is wrong too."""
    return READERS[given.kind](given.text)


def _duration(text: str) -> str | None:
    try:
        microseconds = parse_duration(text)
    except ValueError:
        return None
    if not 0 <= microseconds <= MOST:
        return f"a duration of {microseconds}"
    if parse_duration(format_duration(microseconds)) != microseconds:
        return f"{microseconds} is shown as {format_duration(microseconds)}"
    return None


def _cron(text: str) -> str | None:
    try:
        check_cron(text)
    except ValueError:
        return None
    fires(text)
    return None


def _cursor(text: str) -> str | None:
    for kind in _KINDS:
        try:
            place: Any = decode_cursor(text, kind)
        except UserError:
            continue
        if kind is not int and decode_cursor(encode_cursor(place), kind) != place:
            return f"another place: {place!r}"
        if kind is _KINDS[0]:
            InstanceQuery(after=place)
    return None


def _input(text: str) -> str | None:
    try:
        value = read_input([text], None)
    except Stop:
        return None
    return _is_json(value)


def _json(text: str) -> str | None:
    try:
        value = parse_json(text, "--input")
    except Stop:
        return None
    return _is_json(value)


def _is_json(value: Any) -> str | None:
    again = json.loads(json.dumps(value, allow_nan=False).encode())
    return None if again == value else f"{value!r} is {again!r} when it is sent"


def _id(text: str) -> str | None:
    if id_problem(text) is None and (not text.encode() or "\0" in text):
        return "an id that no database takes"
    return None


READERS = {
    "duration": _duration,
    "cron": _cron,
    "cursor": _cursor,
    "input": _input,
    "json": _json,
    "id": _id,
}
