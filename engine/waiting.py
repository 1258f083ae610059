"""What an instance waits for, read off its committed history: for people who ask why nothing happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perdure.compiler import ir
from perdure.engine.codec import decode_events
from perdure.engine.errors import NonDeterminismError
from perdure.engine.events import Event
from perdure.engine.instance import Instance
from perdure.engine.linked import LinkedProgram
from perdure.engine.machine import Machine
from perdure.engine.programs import Programs
from perdure.engine.replay import replay
from perdure.engine.state import (
    EventWait,
    Fiber,
    Group,
    JoinWait,
    Lock,
    LockWait,
    ReplyWait,
    TaskWait,
    TimerWait,
)
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import OUTSIDE, Loaded, TaskRow, Worker
from perdure.engine.tasks import is_private
from perdure.engine.views import time_text


def replayed(
    store: Store, instance: Instance, programs: Programs
) -> tuple[Loaded, Machine] | tuple[None, None]:
    """An instance with its committed history, and the machine as that leaves it; None where it cannot be."""
    loaded = store.load([instance.id])
    program = programs.all([instance.digest])[instance.digest]
    if not loaded or isinstance(program, str):
        return None, None
    try:
        return loaded[0], replay(program, instance.id, loaded[0].history)
    except NonDeterminismError:
        return None, None


def waiting_for(store: Store, instance: Instance, programs: Programs) -> list[dict[str, Any]]:
    """One document for each thing: kind, name, step, path, file, line, column, since, until, note.

    Empty for an instance whose history cannot be replayed: its ``reason`` says why.
    """
    loaded, machine = replayed(store, instance, programs)
    if loaded is None or machine is None:
        return []
    times: dict[int, tuple[int, Event]] = {}
    for row in loaded.history:
        for seq, event in enumerate(decode_events(row.events), row.first_seq):
            times[seq] = (row.at, event)
    unclaimed = {(task.execution, task.seq): task for task in store.waiting_tasks(instance.id)}
    workers = store.workers() if unclaimed else []
    outside = store.claimed(OUTSIDE)
    found = []
    for fiber in machine.state.fibers.values():
        entry = _entry(machine, fiber, times)
        if entry is None:
            continue
        if isinstance(fiber.wait, TaskWait):
            task = unclaimed.get((instance.execution, fiber.wait.seq))
            if task is not None:
                entry["note"] = _unclaimed(store, task, workers)
            elif (instance.execution, fiber.wait.seq) in outside:
                entry["note"] = "its activity waits to be completed with its token"
        found.append(entry)
    return found


def _unclaimed(store: Store, task: TaskRow, workers: Sequence[Worker]) -> str | None:
    """Why nobody runs a task yet, if that can be told."""
    named = bool(task.queue) and not is_private(task.queue)
    servers = [each for each in workers if not named or task.queue in each.queues]
    where = f" of queue {task.queue!r}" if named else ""
    if named and not servers:
        return f"no worker serves queue {task.queue!r}"
    if not any(task.name in each.activities for each in servers):
        return f"no worker{where} offers activity {task.name!r}"
    if task.concurrency_key and store.claimed_count(task.concurrency_key) >= task.concurrency_limit:
        limit = task.concurrency_limit
        return f"as many as may run at once for concurrency key {task.concurrency_key!r} do: {limit}"
    now = store.time()
    if any(each.name == task.queue and not each.ready(now) for each in store.queues()):
        return f"the rate of queue {task.queue!r} lets no more through now"
    return None


def _entry(machine: Machine, fiber: Fiber, times: dict[int, tuple[int, Event]]) -> dict[str, Any] | None:
    op = machine.op(fiber)
    since: int | None
    match fiber.wait:
        case TaskWait(seq=seq):
            kind, name, since, until = "task", op.activity, times[seq][0], None
        case TimerWait(seq=seq):
            kind, name, since = "timer", machine.state.timers[seq].purpose, times[seq][0]
            until = _due(times[seq][1])
        case ReplyWait(seq=seq):
            asked = "entity" if op.kind is ir.CallEntity else "instance"
            kind, name, since, until = asked, machine.state.questions[seq].instance, times[seq][0], None
        case LockWait(seq=seq, entity=entity):
            scope = fiber.scopes[-1]
            kind, name, since = "lock", entity, times[seq][0]
            until = _due(times[scope.timer][1]) if isinstance(scope, Lock) and scope.timer else None
        case EventWait(event=event, timer=timer):
            kind, name, since = "event", event, times[timer][0] if timer is not None else None
            until = _due(times[timer][1]) if timer is not None else None
        case JoinWait(group=group) if machine.state.groups[group].split is not None:
            return _chunks(machine, fiber, machine.state.groups[group])
        case _:
            return None
    return {
        "kind": kind,
        "name": name,
        **_place(machine.program, machine, fiber),
        "since": time_text(since),
        "until": time_text(until),
        "note": None,
    }


def _chunks(machine: Machine, fiber: Fiber, group: Group) -> dict[str, Any]:
    """How far a fan-out in chunks has come, as far as the chunks that are over tell."""
    assert group.split is not None, "the group is split"
    over = group.next - len(group.active)
    done, total = group.succeeded + group.failed, len(group.items)
    note = f"{over} of {group.split.count} chunks are over: {done} of {total} items, {group.failed} failed"
    place = _place(machine.program, machine, fiber)
    return {"kind": "chunks", "name": None, **place, "since": None, "until": None, "note": note}


def _due(event: Event) -> int | None:
    return getattr(event, "fire_at", None)


def _place(program: LinkedProgram, machine: Machine, fiber: Fiber) -> dict[str, Any]:
    step = program.program.steps[machine.op(fiber).step]
    return {
        "step": step.name,
        "path": machine.path(fiber, machine.op(fiber).step),
        "file": program.program.file,
        "line": step.line,
        "column": step.column,
    }
