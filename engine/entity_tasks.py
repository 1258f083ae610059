"""What a worker does for an entity in Python, as data: its operations, and what came of them."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine.entities import Done, Undone


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An operation that is asked for; ``id`` is that of its message."""

    id: str
    operation: str
    input: Any = None


class EntityTask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Operations of one entity in their order. ``state`` is None while it has none.

    ``execution`` is the entity's incarnation, ``seq`` its version when this was asked for; ``now`` is the
    time of that turn in microseconds since 1970 UTC.
    """

    instance: str
    execution: str
    seq: int
    name: str
    key: str
    state: Any
    now: int
    operations: tuple[Asked, ...]

    @property
    def id(self) -> tuple[str, int]:
        """The key of the task."""
        return self.execution, self.seq


class Performed(msgspec.Struct, frozen=True, kw_only=True):
    """The state after all operations, None for the initial one, and what came of each in their order."""

    state: Any
    outcomes: tuple[Done | Undone, ...]
