"""How long what has ended stays: what the header of its workflow says, counted from its end."""

from __future__ import annotations

from perdure.compiler.ir import Retention
from perdure.engine.instance import Status

KEPT_GENERATIONS = 1
"""Histories of earlier generations that are kept where a workflow says nothing."""


def purge_at(retention: Retention | None, status: Status, ended_at: int) -> int | None:
    """When an instance that ended so may go; None for never.

    ``completed`` is for those that ended well, ``failed`` for all others.
    """
    if retention is None:
        return None
    kept = retention.completed if status is Status.COMPLETED else retention.failed
    return None if kept is None else ended_at + kept


def forget_before(retention: Retention | None, generation: int) -> int:
    """Histories of generations before this one go when ``generation`` begins."""
    kept = KEPT_GENERATIONS if retention is None else retention.generations
    return generation - kept
