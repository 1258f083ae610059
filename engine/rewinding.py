"""Rewind: an instance that failed, or was terminated, goes on as if that had not happened.

The generation's history is told again to a fresh machine without the failures that its error comes from (see
``rerun``), under a new execution, so that nothing which is still on its way to the old one is heard. The key
seed is kept: a call that is made again has the idempotency key that it had.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.engine import keys, rerun
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import Asker, ExecutionStarted
from perdure.engine.instance import Instance, Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.replay import replay
from perdure.engine.rerun import CannotGoOn, Rerun
from perdure.engine.store.rows import HistoryRow

_WHY = {
    Status.COMPLETED: "it is Completed: nothing failed",
    Status.CANCELED: "it is Canceled: it has cleaned up after itself",
}

NEVER_BEGAN = "it never began"
"""What has done nothing has nothing to go on with; it can only be started."""


def rewind(
    program: LinkedProgram, instance: Instance, past: tuple[HistoryRow, ...], parent: Asker | None
) -> Rerun:
    """The generation without what it failed of. ``parent`` is told how it ends, if there is one.

    Raises ``CannotGoOn`` when there is nothing that could go on.
    """
    if instance.status not in {Status.FAILED, Status.TERMINATED}:
        raise CannotGoOn(_WHY.get(instance.status, f"it has not ended: it is {instance.status}"))
    history = rerun.read(past)
    begun = history.facts[0].event if history.facts else None
    if not isinstance(begun, ExecutionStarted):
        raise CannotGoOn(NEVER_BEGAN)
    try:
        before = replay(program, instance.id, past)
    except NonDeterminismError as error:
        raise CannotGoOn(f"its history cannot be replayed: {error}") from error
    start = msgspec.structs.replace(
        begun,
        execution=keys.next_execution(instance.execution),
        parent=parent or begun.parent,
        told=parent is None,
        others=(),
    )
    left_out = set[int]() if history.error is None else rerun.failures(history, before, history.error)
    try:
        found = rerun.run(program, instance.id, history, start, lambda fact: fact.seq not in left_out)
    except CannotGoOn:
        step = None if history.error is None else rerun.ended_by_hand(history, before, history.error)
        if step is None:
            raise
        raise CannotGoOn(
            f"{step} was ended by hand with this error (resolve), and what was done by hand stands;"
            " to do that step again, fork it before the step"
        ) from None
    if _undone(history.error, before, found):
        raise CannotGoOn("what it had done was undone by its compensations")
    entity = rerun.lock_held(found.machine)
    if entity is not None:
        raise CannotGoOn(f"it was inside a lock of {entity}, which was given back at its end")
    return found


def _undone(error: dict[str, Any] | None, before: Machine, after: Rerun) -> bool:
    """Whether compensations have run, or tried to, that the new run knows nothing of."""
    if error is not None and error.get("compensation"):
        return True
    now = after.machine.state.undone
    return any(now.get(path, 0) < times for path, times in before.state.undone.items())
