"""Dead letters as documents: what could not be delivered, and why."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine.cursors import decode_cursor, encode_cursor
from perdure.engine.errors import NotFound
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import DeadLetter
from perdure.engine.views import time_text


def page(store: Store, instance: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """Newest first, without what was to be delivered."""
    before = None if cursor is None else decode_cursor(cursor, tuple[int])[0]
    found = store.dead_letters(instance, limit + 1, before)
    more = len(found) > limit
    return {
        "items": [_view(each) for each in found[:limit]],
        "next": encode_cursor((found[limit - 1].ord,)) if more else None,
    }


def find(store: Store, number: int) -> DeadLetter:
    """The letter. Raises ``NotFound``."""
    letter = store.dead_letter(number)
    if letter is None:
        raise NotFound(f"there is no dead letter {number}")
    return letter


def whole(letter: DeadLetter) -> dict[str, Any]:
    """With what was to be delivered: a document, or the text of what is none."""
    try:
        event: Any = msgspec.json.decode(letter.event)
    except msgspec.DecodeError:
        event = letter.event
    return {**_view(letter), "event": event}


def _view(letter: DeadLetter) -> dict[str, Any]:
    return {
        "number": letter.ord,
        "at": time_text(letter.at),
        "instance": letter.instance,
        "kind": letter.kind,
        "reason": letter.reason,
        "message": letter.id,
    }
