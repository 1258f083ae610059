"""Queries that a workflow declares, answered from what is committed: never from an owner's memory.

So a process that lost its slots, and does not know it yet, has nothing stale to tell.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine import header
from perdure.engine.errors import Conflict, NonDeterminismError, NotFound, UserError
from perdure.engine.events import Asker, ExecutionStarted
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.replay import replay
from perdure.engine.store.protocol import Store

ALL = 2**31 - 1
"""Rows of a history, without a limit."""


def ask(store: Store, program: LinkedProgram, instance_id: str, name: str) -> Any:
    """The answer of an instance that exists, ended or not.

    Between two generations it is that of the one before, and before the first turn that of the beginning.
    Raises ``NotFound`` for a query that the workflow does not declare, ``Conflict`` where the history cannot
    be replayed, and ``UserError`` with the code ``query`` when the expression fails.
    """
    if name not in program.queries:
        known = ", ".join(program.queries)
        raise NotFound(
            f"{program.program.name!r} has no query {name!r}",
            hint=f"it answers: {known}" if known else "it declares no queries",
        )
    try:
        machine = _machine(store, program, instance_id)
    except NonDeterminismError as error:
        problem = Conflict(f"instance {instance_id!r}: its history cannot be replayed: {error}")
        problem.code = error.code
        raise problem from error
    try:
        return header.answer(machine, name)
    except EvalError as error:
        line, column = error.position or program.program.places.get("queries", (1, 1))
        place = f"{program.program.file}:{line}:{column}"
        failed = UserError(f"{place}: the query {name!r} cannot be answered: {error.message}")
        failed.code = "query"
        raise failed from error


def _machine(store: Store, program: LinkedProgram, instance_id: str) -> Machine:
    found = store.load([instance_id])
    if not found:
        raise NotFound(f"there is no instance {instance_id!r}")
    loaded = found[0]
    instance, rows = loaded.instance, list(loaded.history)
    if not rows and instance.generation > 1:
        rows = store.history(instance.id, instance.generation - 1, 0, ALL)
    machine = replay(program, instance.id, rows)
    if not machine.env.workflow:
        # It has not begun. Who was suspended, or ended, before that has a history all the same.
        started = machine.started if machine.state.begun else _beginning(store, instance)
        machine.introduce(started, rows[-1].at if rows else instance.created_at)
    return machine


def _beginning(store: Store, instance: Instance) -> ExecutionStarted:
    """What an instance starts with, read off its row."""
    value = store.payloads(instance.id).get("input")
    return ExecutionStarted(
        execution=instance.execution,
        name=instance.name,
        version=instance.version,
        digest=instance.digest,
        generation=instance.generation,
        key_seed=instance.execution,
        input=None if value is None else msgspec.json.decode(value),
        tags=instance.tags,
        parent=None if instance.parent_id is None else Asker(instance.parent_id, "", 0),
    )
