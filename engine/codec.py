"""Events to text and back.

The text is JSON as msgspec writes it. New fields have defaults, so older rows read as they are.
"""

from __future__ import annotations

import msgspec

from perdure.engine.events import Event, Received

_encoder = msgspec.json.Encoder()
_events = msgspec.json.Decoder(list[Event])
_received: msgspec.json.Decoder[Received] = msgspec.json.Decoder(Received)


def encode_events(events: list[Event]) -> str:
    """A turn's events as one JSON array."""
    return _encoder.encode(events).decode()


def decode_events(text: str) -> list[Event]:
    """The inverse of ``encode_events``. Raises ``msgspec.DecodeError`` for anything else."""
    return _events.decode(text)


def encode_received(event: Received) -> str:
    """One message's event, as it lies in the inbox."""
    return _encoder.encode(event).decode()


def decode_received(text: str) -> Received:
    """The inverse of ``encode_received``. Raises ``msgspec.DecodeError`` for anything else."""
    return _received.decode(text)
