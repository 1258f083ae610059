"""Whether a new version would have decided what running instances of the active one have: asked at deploy.

Running instances keep their version, so nothing breaks when it would not. Whoever means to change nothing of
what they do, or to move them, is told before anything is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perdure.compiler import encode, ir
from perdure.compiler.runtime import EvalError
from perdure.engine import migrating
from perdure.engine.errors import Conflict
from perdure.engine.instance import Status
from perdure.engine.linked import LinkedProgram
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Condition, Definition, InstanceQuery

MOST = 100
"""Instances that are replayed: the newest."""
MOST_EVENTS = 200_000
"""Events of all of them together; when there are so many, the rest is not looked at."""
SHOWN = 10
"""Instances that an error's text names."""

_OPEN = tuple(each for each in Status if not each.ended)


class WouldDiverge(Conflict):
    """Running instances have decided what the new version would not; ``diverging`` says which and where."""

    code = "would_diverge"

    def __init__(
        self, name: str, version: str, before: str, replayed: int, found: list[dict[str, Any]]
    ) -> None:
        lines = [f"  {each['id']}: {each['problem']}" for each in found[:SHOWN]]
        more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
        count = f"{len(found)} of {replayed} running instances of {before}"
        text = f"{name}@{version} does not decide what {count} did:"
        super().__init__(
            "\n".join([text, *lines, *more]),
            hint="they keep their version: deploy it without --check-replay, or let them end first",
        )
        self.diverging = found


def replay_running(store: Store, active: Definition, version: str, program: ir.Program) -> int:
    """Replay running instances of the active version by a Program; how many. Raises ``WouldDiverge``."""
    linked = _linked(program)
    replayed = events = 0
    found: list[dict[str, Any]] = []
    for instance_id in _running(store, active):
        if events >= MOST_EVENTS:
            break
        for loaded in store.load([instance_id]):
            if not loaded.history or loaded.instance.version != active.version:
                continue  # It has not begun, or was moved meanwhile.
            problem = migrating.problem(loaded, linked)
            if problem == migrating.NOT_BEGUN:
                continue
            replayed += 1
            events += loaded.history[-1].next_seq
            if problem is not None:
                found.append({"id": instance_id, "problem": problem})
    if found:
        raise WouldDiverge(active.name, version, active.version, replayed, found)
    return replayed


def _running(store: Store, active: Definition) -> Sequence[str]:
    query = InstanceQuery(
        name=active.name,
        statuses=_OPEN,
        where=(Condition(field="version", values=(active.version,)),),
        limit=MOST,
    )
    return [each.id for each in store.instances(query)]


def _linked(program: ir.Program) -> LinkedProgram | str:
    try:
        return LinkedProgram(program, encode.digest(program))
    except EvalError as error:
        return error.message
