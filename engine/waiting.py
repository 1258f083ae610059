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
    Bound,
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
from perdure.engine.suspects import PARKED
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
    """One document for each thing: kind, name, place, since, until, left, attempt, attempts, note.

    Empty for an instance whose history cannot be replayed, or whose replay may kill whoever tries: its
    ``reason`` says why.
    """
    if (instance.reason or "").startswith(PARKED):
        return []
    if instance.waits:
        return [_shown(_for_a_place(instance, programs), store.time())]
    loaded, machine = replayed(store, instance, programs)
    if loaded is None or machine is None:
        return []
    if not machine.state.begun and loaded.first is not None and loaded.first.due > store.time():
        return [_shown(_for_its_time(instance, machine.program, loaded.first.due), store.time())]
    times: dict[int, tuple[int, Event]] = {}
    for row in loaded.history:
        for seq, event in enumerate(decode_events(row.events), row.first_seq):
            times[seq] = (row.at, event)
    unclaimed = {(task.execution, task.seq): task for task in store.waiting_tasks(instance.id)}
    workers = store.workers() if unclaimed else []
    outside = store.claimed(OUTSIDE)
    found, now = [], store.time()
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
        found.append(_shown(entry, now))
    return found


def _shown(entry: dict[str, Any], now: int) -> dict[str, Any]:
    """Times as text; ``left`` is in seconds, by the store's clock."""
    until = entry["until"]
    left = None if until is None else max(until - now, 0) / 1_000_000
    return {**entry, "since": time_text(entry["since"]), "until": time_text(until), "left": left}


def _for_a_place(instance: Instance, programs: Programs) -> dict[str, Any]:
    """What an instance waits for before it begins."""
    linked = programs.all([instance.digest])[instance.digest]
    program = None if isinstance(linked, str) else linked.program
    line, column = (1, 1) if program is None else program.places.get("concurrency", (1, 1))
    return {
        "kind": "place",
        "name": instance.concurrency_key,
        "step": None,
        "path": None,
        "file": None if program is None else program.file,
        "line": line,
        "column": column,
        "since": instance.created_at,
        "until": None,
        "attempt": None,
        "attempts": None,
        "note": f"as many instances as may run at once for this key do: {instance.concurrency_limit}",
    }


def _for_its_time(instance: Instance, linked: LinkedProgram, due: int) -> dict[str, Any]:
    """When an instance begins that was started for later."""
    return {
        "kind": "start",
        "name": None,
        "step": None,
        "path": None,
        "file": linked.program.file,
        "line": 1,
        "column": 1,
        "since": instance.created_at,
        "until": due,
        "attempt": None,
        "attempts": None,
        "note": "it was started for later",
    }


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
            kind, name, since, until = "task", op.activity, times[seq][0], _bound(machine, fiber)
        case TimerWait(seq=seq):
            kind, name, since = "timer", machine.state.timers[seq].purpose, times[seq][0]
            until = _due(times[seq][1])
        case ReplyWait(seq=seq):
            kind = "entity" if op.kind is ir.CallEntity else "instance"
            name, since = machine.state.questions[seq].instance, times[seq][0]
            until = _bound(machine, fiber)
        case LockWait(seq=seq, entity=entity):
            scope = fiber.scopes[-1]
            kind, name, since = "lock", entity, times[seq][0]
            until = _due(times[scope.timer][1]) if isinstance(scope, Lock) and scope.timer else None
        case EventWait(event=event, timer=timer):
            kind, name, since = "event", event, times[timer][0] if timer is not None else None
            until = _due(times[timer][1]) if timer is not None else None
        case JoinWait(group=group) if machine.state.groups[group].split is not None:
            return _chunks(machine, fiber, machine.state.groups[group])
        case JoinWait(group=group):
            return _branches(machine, fiber, machine.state.groups[group])
        case _:
            return None
    return {
        "kind": kind,
        "name": name,
        **_place(machine.program, machine, fiber),
        "since": since,
        "until": until,
        **_attempts(fiber),
        "note": None,
    }


def _attempts(fiber: Fiber) -> dict[str, Any]:
    """Which attempt this is, or which one has failed before the wait, and of how many."""
    scope = next((each for each in reversed(fiber.scopes) if isinstance(each, Bound) and each.policy), None)
    if scope is None or scope.policy is None:
        return {"attempt": None, "attempts": None}
    return {"attempt": scope.attempt, "attempts": scope.policy[0]}


def _bound(machine: Machine, fiber: Fiber) -> int | None:
    """When the first of the timeouts and deadlines around is over."""
    bounds = [scope for scope in fiber.scopes if isinstance(scope, Bound)]
    timers = [seq for scope in bounds for seq in (scope.timeout, scope.deadline) if seq is not None]
    running = [machine.state.timers[seq].fire_at for seq in timers if seq in machine.state.timers]
    return min(running, default=None)


def _branches(machine: Machine, fiber: Fiber, group: Group) -> dict[str, Any]:
    """How far parallel branches or items have come; those that run stand beside this."""
    branches = getattr(machine.program.ops[group.pc], "branches", None)
    begun, total = (group.next, len(group.items)) if branches is None else (len(branches),) * 2
    run = len(group.active)
    note = f"{begun - run} of {total} are over, {run} {'runs' if run == 1 else 'run'}"
    note += f", {group.failed} failed" if group.failed else ""
    return {**_group(machine, fiber, "branches"), "until": _bound(machine, fiber), "note": note}


def _group(machine: Machine, fiber: Fiber, kind: str) -> dict[str, Any]:
    none = dict.fromkeys(("since", "until", "attempt", "attempts"))
    return {"kind": kind, "name": None, **_place(machine.program, machine, fiber), **none}


def _chunks(machine: Machine, fiber: Fiber, group: Group) -> dict[str, Any]:
    """How far a fan-out in chunks has come, as far as the chunks that are over tell."""
    assert group.split is not None, "the group is split"
    over = group.next - len(group.active)
    done, total = group.succeeded + group.failed, len(group.items)
    note = f"{over} of {group.split.count} chunks are over: {done} of {total} items, {group.failed} failed"
    return {**_group(machine, fiber, "chunks"), "note": note}


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
