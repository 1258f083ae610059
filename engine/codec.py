"""Events to text and back.

The text is JSON as msgspec writes it. New fields have defaults, so older rows read as they are. A value
of ``LARGE`` bytes or more is taken out of the text: its key (``sha256:`` and the hash of its JSON) stands
in ``stored`` of its event, and the instance has it once, in ``payloads``, however often it is referred to.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from perdure.engine.events import Chunk, Event, ExecutionStarted, FanOutSplit, Message

LARGE = 16 << 10
"""Bytes of JSON from which a value is kept apart."""
FIELDS = ("input", "result", "output", "data", "cause", "error", "items", "around")
"""Fields of events that hold values of users."""

_KEY = re.compile(r"sha256:[0-9a-f]{64}")
_PREFIX = "sha256:"

_encoder = msgspec.json.Encoder()
_events = msgspec.json.Decoder(list[Event])
_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class Split(NamedTuple):
    """A text, and the texts of the values that it refers to, by their keys."""

    text: str
    values: dict[str, str]


class MissingValue(msgspec.MsgspecError):
    """A value that an event refers to, and that is not there."""


class Values:
    """The values behind keys, each decoded once, however many events refer to it."""

    def __init__(self) -> None:
        self._decoded: dict[str, Any] = {}

    def get(self, key: str, texts: Mapping[str, str]) -> Any:
        """The value of a key. Raises ``MissingValue``."""
        if key not in self._decoded:
            if key not in texts:
                raise MissingValue(f"the value {key} is not there")
            self._decoded[key] = msgspec.json.decode(texts[key])
        return self._decoded[key]


# -- keys ------------------------------------------------------------------------------------------


def keys_in(text: str) -> list[str]:
    """Keys that a text refers to, and maybe some that only look so."""
    return _KEY.findall(text) if _PREFIX in text else []


def is_key(text: str) -> bool:
    """Whether a text is a key, and not the JSON of a value."""
    return text.startswith(_PREFIX)


def stored_value(value: Any, values: dict[str, str], least: int = LARGE) -> str | None:
    """The key of a value that is to be kept apart, which is added to ``values``; None for a small one."""
    if value is None or type(value) in (bool, int, float):
        return None
    raw = _encoder.encode(value)
    return None if len(raw) < least else _kept_apart(raw, values)


def text_or_key(value: Any, values: dict[str, str]) -> str:
    """The JSON of a small value; the key of a large one, which is added to ``values``."""
    raw = _encoder.encode(value)
    return raw.decode() if len(raw) < LARGE else _kept_apart(raw, values)


def _kept_apart(raw: bytes, values: dict[str, str]) -> str:
    key = _PREFIX + hashlib.sha256(raw).hexdigest()
    values[key] = raw.decode()
    return key


def key_of(value: Any) -> str:
    """The key of a value, whatever its size."""
    return _PREFIX + hashlib.sha256(_encoder.encode(value)).hexdigest()


# -- histories -------------------------------------------------------------------------------------


def encode_events(events: list[Event]) -> str:
    """A turn's events as one JSON array, with every value in it."""
    return _encoder.encode(events).decode()


def split_events(events: list[Event]) -> Split:
    """A turn's events as one JSON array, the large values apart."""
    values: dict[str, str] = {}
    raw = _encoder.encode(events)
    if len(raw) < LARGE and not any(map(_is_apart, events)):
        return Split(raw.decode(), values)
    parts = []
    for event in events:
        raw = _encoder.encode(event)
        if len(raw) >= LARGE or _is_apart(event):
            raw = _encoder.encode(_split(event, values))
        parts.append(raw)
    return Split(f"[{b','.join(parts).decode()}]", values)


def _is_apart(event: Event) -> bool:
    """Whether it is looked at however short the text: it has values that are kept apart in any case."""
    begins_chunk = type(event) is ExecutionStarted and event.chunk is not None
    return begins_chunk or type(event) is FanOutSplit


def _split(event: Any, values: dict[str, str]) -> Any:
    changes: dict[str, Any] = {}
    stored: dict[str, str] = {}
    if isinstance(event, ExecutionStarted) and event.carried:
        carried = tuple(_split(each, values) for each in event.carried)
        if carried != event.carried:
            changes["carried"] = carried
    if isinstance(event, ExecutionStarted) and event.chunk is not None:
        changes["chunk"] = _in_text(event.chunk)
    least = 0 if isinstance(event, FanOutSplit) else LARGE
    for name in FIELDS:
        value = getattr(event, name, None)
        if name == "error" and not isinstance(value, dict):
            continue
        key = stored_value(value, values, least)
        if key is not None:
            stored[name] = key
            changes[name] = None
    if stored:
        changes["stored"] = stored
    return msgspec.structs.replace(event, **changes) if changes else event


def decode_events(text: str) -> list[Event]:
    """A turn's events as they are written: large values are only referred to.

    Raises ``msgspec.DecodeError`` for anything else.
    """
    return _events.decode(text)


def whole_events(
    text: str, texts: Mapping[str, str], known: Values | None = None, *, lenient: bool = False
) -> list[Event]:
    """A turn's events with their values; the ``lenient`` may do without those that are not there.

    Raises ``msgspec.MsgspecError``.
    """
    events = _events.decode(text)
    if _PREFIX not in text:
        return events
    known = Values() if known is None else known
    return [_whole(event, texts, known, lenient=lenient) for event in events]


def _whole(event: Any, texts: Mapping[str, str], known: Values, *, lenient: bool = False) -> Any:
    changes: dict[str, Any] = {}
    if isinstance(event, ExecutionStarted) and any(each.stored for each in event.carried):
        changes["carried"] = tuple(_whole(each, texts, known, lenient=lenient) for each in event.carried)
    if event.stored is not None:
        missing = {name: key for name, key in event.stored.items() if lenient and key not in texts}
        there = {name: key for name, key in event.stored.items() if name not in missing}
        changes |= {name: known.get(key, texts) for name, key in there.items()}
        changes["stored"] = missing or None
    if isinstance(event, ExecutionStarted) and event.chunk is not None and not lenient:
        changes["chunk"] = _at_hand(event.chunk, texts, known)
    return msgspec.structs.replace(event, **changes) if changes else event


def _in_text(chunk: Chunk) -> Chunk:
    """A chunk as it is written."""
    return msgspec.structs.replace(chunk, share=None, scene=None)


def _at_hand(chunk: Chunk, texts: Mapping[str, str], known: Values) -> Chunk:
    """A chunk with its own items, and what they see beside themselves."""
    if chunk.share is not None:
        return chunk
    share = known.get(chunk.items, texts)[chunk.offset : chunk.offset + chunk.length]
    return msgspec.structs.replace(chunk, share=share, scene=known.get(chunk.around, texts))


# -- messages --------------------------------------------------------------------------------------


def encode_received(event: Message) -> str:
    """One message's event, as it lies in the inbox."""
    if isinstance(event, ExecutionStarted) and event.chunk is not None:
        event = msgspec.structs.replace(event, chunk=_in_text(event.chunk))
    return _encoder.encode(event).decode()


def split_received(event: Message) -> Split:
    """One message's event, the large values apart."""
    values: dict[str, str] = {}
    return Split(encode_received(_split(event, values)), values)


def decode_received(text: str, texts: Mapping[str, str] | None = None) -> Message:
    """The event of a message, with all its values. Raises ``msgspec.MsgspecError``."""
    event = _message.decode(text)
    if _PREFIX not in text:
        return event
    found: Message = _whole(event, texts or {}, Values())
    return found
