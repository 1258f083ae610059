"""New names: of workers, executions, messages and instances. Chance is only here."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

_AT_ONCE = 256
_source: Random | None = None
_ahead: list[str] = []
"""Random parts of ids to come: each call of the system gives away the interpreter's lock."""
os.register_at_fork(after_in_child=_ahead.clear)


def new_id() -> str:
    """32 hexadecimal digits that nobody has had before."""
    return os.urandom(16).hex() if _source is None else _drawn(_source)


def ordered_id() -> str:
    """The same, of which later ones sort behind earlier ones, to the millisecond: a time, and 80 random bits.

    For what many rows are kept under: new ones lie side by side then, and not each in a page of its own.
    """
    if _source is not None:
        return _drawn(_source)
    return f"{time.time_ns() // 1_000_000:012x}{_random_part()}"


def _random_part() -> str:
    while True:
        try:
            return _ahead.pop()
        except IndexError:  # Several threads may come here at once: then there are more than are needed.
            drawn = os.urandom(10 * _AT_ONCE).hex()
            _ahead.extend([drawn[at : at + 20] for at in range(0, len(drawn), 20)])


def _drawn(source: Random) -> str:
    return f"{source.getrandbits(128):032x}"


@contextmanager
def drawn_from(source: Random) -> Iterator[None]:
    """Meanwhile ids come from ``source``, for a simulation that can be repeated. Not for threads."""
    global _source  # noqa: PLW0603
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
