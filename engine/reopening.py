"""When an instance that has ended may be ordered to go on."""

from __future__ import annotations

from perdure.engine.errors import Conflict, NotFound
from perdure.engine.instance import Instance
from perdure.engine.store.rows import Message


def check(order: Message, present: Instance | None) -> None:
    """Raises ``NotFound``, and ``Conflict`` unless the execution that the order is for has ended."""
    if present is None:
        raise NotFound(f"there is no instance {order.instance!r}")
    if present.execution != order.execution:
        raise Conflict(
            f"instance {present.id!r} goes on already: somebody else was faster",
            hint="look at it before you ask again",
        )
    if not present.status.ended:
        raise not_ended(present)


def check_whole(present: Instance) -> None:
    """Raises ``Conflict`` for a chunk, which cannot begin again, or go on, by itself."""
    if present.chunk_of is not None:
        error = Conflict(
            f"instance {present.id!r} does a part of the work of {present.parent_id!r}",
            hint="act on that one",
        )
        error.code = "chunk"
        raise error


def not_ended(present: Instance) -> Conflict:
    """The refusal of what is for ended instances alone."""
    error = Conflict(
        f"instance {present.id!r} has not ended: it is {present.status}",
        hint="wait for its end, or terminate it first",
    )
    error.code = "not_ended"
    return error
