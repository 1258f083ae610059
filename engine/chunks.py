"""Long fan-outs: split into chunks, each of them a child that runs the same Program on a slice of the items.

The parent writes the list once, and what its items see beside themselves; a child gets the keys of both.
It begins with the frame, the variables, the input and the ``workflow`` of its parent, and with its key
seed: so paths, idempotency keys and values are those of a fan-out in one piece.

Whatever is said to a chunk, the parent waits for its end: it has to clean up, as an item has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from perdure.compiler import ir
from perdure.compiler.runtime import Timestamp
from perdure.engine import forks, keys, sagas
from perdure.engine.codec import key_of
from perdure.engine.events import (
    Chunk,
    ChunkCanceled,
    ChunkStopped,
    ExecutionStarted,
    FanOutSplit,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
)
from perdure.engine.failure import Failure
from perdure.engine.state import Fiber, Group, ReplyWait, Split

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


class Rule(NamedTuple):
    """How a list is split: when it is longer than ``over``, in chunks of ``size``, ``at_once`` of them."""

    over: int
    size: int
    at_once: int


RULES = {1: Rule(over=1000, size=500, at_once=8)}
"""By the number in ``ExecutionStarted``. A better rule is a new one: histories keep theirs."""


def size_of(machine: Machine, op: Any, total: int) -> int:
    """How many items a chunk has; 0 for a fan-out in one piece."""
    if op.chunk == "off":
        return 0
    rule = RULES[machine.started.rule]
    size, over = (rule.size, rule.over) if op.chunk == "auto" else (op.chunk, op.chunk)
    return size if total > over else 0


def split(machine: Machine, fiber: Fiber, op: Any, items: list[Any], width: int, size: int) -> bool:
    """Give the first chunks to children; ``width`` is for all of them together."""
    count = -(-len(items) // size)
    at_once = min(count, RULES[machine.started.rule].at_once, width)
    around = _around(machine, fiber, op)
    path = machine.path(fiber, op.step)
    machine.decide(
        FanOutSplit(
            path=path,
            total=len(items),
            size=size,
            at_once=at_once,
            width=width // at_once,
            items=items,
            around=around,
        )
    )
    parts = Split(size=size, count=count, width=width // at_once, items=key_of(items), around=key_of(around))
    group = forks.new_group(machine, fiber, items=items, width=at_once, split=parts)
    _start_chunks(machine, group, op)
    return True


def _around(machine: Machine, fiber: Fiber, op: Any) -> dict[str, Any]:
    """What the items see beside themselves."""
    chunk = machine.started.chunk
    if chunk is None:
        given, workflow = machine.started.input, dict(machine.env.workflow)
        workflow["started_at"] = machine.began_at
    else:
        assert chunk.scene is not None, "a chunk that runs has everything at hand"
        given, workflow = chunk.scene["input"], chunk.scene["workflow"]
    return {
        "frame": {slot: fiber.frame[slot] for slot in op.captures if slot in fiber.frame},
        "input": given,
        "vars": machine.state.variables,
        "workflow": workflow,
        "undone": dict(machine.state.undone),
    }


def _start_chunks(machine: Machine, group: Group, op: Any) -> None:
    parts = group.split
    assert parts is not None, "the group is split"
    parent = machine.state.fibers[group.fiber]
    path = machine.path(parent, op.step)
    workflow = machine.env.workflow
    base = keys.child_id(machine.instance_id, workflow["generation"], sagas.identity(machine, path), 1)
    while group.decided is None and group.next < parts.count and len(group.active) < group.width:
        number, group.next = group.next, group.next + 1
        offset = number * parts.size
        chunk = Chunk(
            step=group.pc,
            generation=machine.started.generation,
            offset=offset,
            length=min(parts.size, len(group.items) - offset),
            width=parts.width,
            spare=forks.spare(op, group),
            items=parts.items,
            around=parts.around,
        )
        frame = {slot: parent.frame.get(slot) for slot in machine.program.program.steps[op.step].path[1::2]}
        child = machine.waiting_fiber(group.pc + 1, frame, group.id, number)
        group.active[number] = child.id
        decision = SubOrchestrationInstanceCreated(
            instance=f"{base}:{number}",
            name=machine.started.name,
            path=path,
            version=machine.started.version,
            input={"chunk": number, "offset": offset, "length": chunk.length},
            # An earlier try of the step has left one of this id, which has ended.
            if_exists="replace_ended",
            chunk=chunk,
        )
        machine.ask(child, decision, decision.instance, "terminate")


def is_chunk(machine: Machine, fiber: Fiber) -> bool:
    """Whether a fiber stands for a chunk that is not over."""
    return isinstance(fiber.wait, ReplyWait) and machine.op(fiber).kind is ir.FanOut


# -- in the parent -----------------------------------------------------------------------------------


def answered(
    machine: Machine,
    fiber: Fiber,
    event: SubOrchestrationInstanceCompleted | SubOrchestrationInstanceFailed,
) -> None:
    """A chunk is over: count what it did, and start the next."""
    state = machine.state
    del state.fibers[fiber.id]
    assert fiber.group is not None, "a chunk has a group"
    group = state.groups[fiber.group]
    del group.active[fiber.branch]
    op = machine.program.ops[group.pc]
    if isinstance(event, SubOrchestrationInstanceCompleted):
        _count(machine, group, op, fiber.branch, event.result)
    elif group.decided not in {"failure", "canceled"}:
        forks.decide(machine, group, "failure", _failure(machine, group, event))
    if group.decided is None and forks.too_many(op, group):
        group.decided = "tolerance"
        _stop_others(machine, group)
    if group.decided is None:
        _start_chunks(machine, group, op)
    forks.finish_if_over(machine, group)


def _count(machine: Machine, group: Group, op: Any, number: int, done: dict[str, Any]) -> None:
    group.succeeded += done["succeeded"]
    group.failed += done["failed"]
    if op.keep == "results":
        group.values[number] = done["results"]
    if op.keep != "counts":
        group.errors[number] = done["errors"]
    for path, times in done["undone"].items():
        machine.state.undone[path] = max(times, machine.state.undone.get(path, 0))


def _failure(machine: Machine, group: Group, event: SubOrchestrationInstanceFailed) -> Failure:
    """The error of the item that failed, as it is; anything else is the chunk's own end."""
    ended = isinstance(event.data, dict) and event.data.get("status") == "Failed"
    failure = Failure.from_json(event.cause) if ended else None
    if failure is None:
        parent = machine.state.fibers[group.fiber]
        failure = machine.failure(parent, event.error, event.message, event.data)
        failure.cause = event.cause
    return failure


def _stop_others(machine: Machine, group: Group) -> None:
    for fiber_id in group.active.values():
        wait = machine.state.fibers[fiber_id].wait
        assert isinstance(wait, ReplyWait), "a chunk is waited for"
        if not machine.is_held(wait.seq):
            asked = machine.state.questions[wait.seq]
            machine.decide(ChunkStopped(scheduled_seq=wait.seq, instance=asked.instance))


def cancel(machine: Machine, fiber: Fiber) -> None:
    """Tell a chunk to cancel its items, once."""
    assert isinstance(fiber.wait, ReplyWait), "a chunk is waited for"
    assert fiber.group is not None, "a chunk has a group"
    parts = machine.state.groups[fiber.group].split
    assert parts is not None, "the group is split"
    if fiber.branch not in parts.canceled and not machine.is_held(fiber.wait.seq):
        parts.canceled.append(fiber.branch)
        asked = machine.state.questions[fiber.wait.seq]
        machine.decide(ChunkCanceled(scheduled_seq=fiber.wait.seq, instance=asked.instance))


def value(group: Group, op: Any) -> dict[str, Any]:
    """What the chunks did, in the order of the list."""
    results = [each for number in sorted(group.values) for each in group.values[number]]
    errors = [each for number in sorted(group.errors) for each in group.errors[number]]
    return {
        "results": results if op.keep == "results" else [],
        "errors": errors,
        "succeeded": group.succeeded,
        "failed": group.failed,
        "total": len(group.items),
    }


# -- in the child ------------------------------------------------------------------------------------


def scene(machine: Machine, chunk: Chunk) -> None:
    """See what the items of the parent see."""
    around = chunk.scene
    assert around is not None, "a chunk that begins has everything at hand"
    workflow = around["workflow"]
    started_at = Timestamp(workflow["started_at"] * 1000)
    machine.env.input = machine.program.input_value(around["input"])
    machine.env.workflow = {**workflow, "started_at": started_at}
    machine.set_variables(around["vars"])


def begin(machine: Machine, event: ExecutionStarted) -> None:
    """Start the first items of this chunk."""
    chunk = event.chunk
    assert chunk is not None, "the instance is a chunk"
    assert chunk.share is not None, "a chunk that begins has everything at hand"
    assert chunk.scene is not None, "a chunk that begins has everything at hand"
    op = machine.program.ops[chunk.step]
    machine.state.undone = dict(chunk.scene["undone"])
    root = machine.waiting_fiber(chunk.step + 1, dict(chunk.scene["frame"]), None, 0)
    machine.focus(root)
    forks.start_share(machine, root, op, chunk)


def stop(machine: Machine) -> None:
    """Start no further item of this chunk; those that run go on."""
    root = machine.state.fibers.get(0)
    group = None if root is None else forks.awaited(machine, root)
    if group is not None and group.decided is None:
        group.decided = "tolerance"
        forks.finish_if_over(machine, group)


def outcome(machine: Machine, group: Group, op: Any) -> dict[str, Any]:
    """What the parent hears of a chunk that ended well."""
    done = forks.fan_out_value(group, op)
    return {**done, "undone": dict(machine.state.undone)}
