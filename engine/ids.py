"""New names: of workers, executions, messages and instances. Chance is only here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

_source: Random | None = None


def new_id() -> str:
    """32 hexadecimal digits that nobody has had before."""
    return os.urandom(16).hex() if _source is None else f"{_source.getrandbits(128):032x}"


@contextmanager
def drawn_from(source: Random) -> Iterator[None]:
    """Meanwhile ids come from ``source``, for a simulation that can be repeated. Not for threads."""
    global _source  # noqa: PLW0603
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
