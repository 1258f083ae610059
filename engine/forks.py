"""Branches side by side: starting them, counting them, deciding, and waiting for the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perdure.compiler import ir
from perdure.compiler.runtime import EvalError
from perdure.engine import chunks
from perdure.engine.events import Chunk
from perdure.engine.failure import EXPRESSION, SCHEMA, TOLERANCE, Failure, with_undone
from perdure.engine.state import Completion, Failed, Fiber, Group, JoinWait, Returned

if TYPE_CHECKING:
    from perdure.engine.machine import Machine


class BadFanOut(Exception):
    """A fan-out that cannot start; the arguments are the error's type and message."""


def start_fan_out(machine: Machine, fiber: Fiber, op: Any) -> bool:
    """Start the first ``width`` items, here or in chunks. Raises ``EvalError`` and ``BadFanOut``."""
    items = op.items(fiber.frame, machine.env)
    width = op.width if isinstance(op.width, int) else op.width(fiber.frame, machine.env)
    if width < 1:
        raise BadFanOut(EXPRESSION, f"width is {width}; it must be at least 1")
    keys = _keys(machine, fiber, op, items, 0)
    size = chunks.size_of(machine, op, len(items))
    if size:
        return chunks.split(machine, fiber, op, items, width, size)
    group = new_group(machine, fiber, items=items, keys=keys, width=width)
    _start_items(machine, fiber, group, op)
    return finish_if_over(machine, group)


def start_share(machine: Machine, fiber: Fiber, op: Any, chunk: Chunk) -> None:
    """Start the first items of a chunk, whose keys the parent has looked at."""
    items = chunk.share
    assert items is not None, "a chunk that begins has its items"
    keys = _keys(machine, fiber, op, items, chunk.offset)
    group = new_group(
        machine, fiber, items=items, keys=keys, width=chunk.width, first=chunk.offset, spare=chunk.spare
    )
    _start_items(machine, fiber, group, op)


def _keys(machine: Machine, fiber: Fiber, op: Any, items: list[Any], first: int) -> list[str]:
    if op.key is None:
        return [str(index) for index in range(first, first + len(items))]
    keys, frame = [], dict(fiber.frame)
    for index, item in enumerate(items, first):
        frame[op.item_slot], frame[op.index_slot] = item, index
        key = op.key(frame, machine.env)
        if isinstance(key, bool) or not isinstance(key, str | int):
            raise BadFanOut(EXPRESSION, f"the key of item {index} is neither text nor an integer")
        keys.append(str(key))
    if len(set(keys)) < len(keys):
        raise BadFanOut(SCHEMA, f"two items have the key {_first_twice(keys)!r}; keys must be unique")
    return keys


def _first_twice(keys: list[str]) -> str:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    raise AssertionError("no key stands twice")


def new_group(machine: Machine, fiber: Fiber, **fields: Any) -> Group:
    """A group of branches that a fiber waits for from here on."""
    state = machine.state
    group = Group(id=state.next_group, fiber=fiber.id, pc=fiber.pc - 1, **fields)
    state.next_group += 1
    state.groups[group.id] = group
    fiber.wait = JoinWait(group=group.id)
    return group


def _start_items(machine: Machine, fiber: Fiber, group: Group, op: Any) -> None:
    while group.decided is None and group.next < len(group.items) and len(group.active) < group.width:
        index = group.next
        frame = dict(fiber.frame)
        frame[op.item_slot], frame[op.index_slot] = group.items[index], group.first + index
        frame[op.key_slot] = group.keys[index]
        group.active[index] = machine.start_fiber(op.body, frame, group.id, index).id
        group.next += 1


def start_branches(machine: Machine, fiber: Fiber, op: Any) -> bool:
    """Start every branch of a ``Parallel`` or ``Race``."""
    group = new_group(machine, fiber)
    for branch, (_, start) in enumerate(op.branches):
        group.active[branch] = machine.start_fiber(start, dict(fiber.frame), group.id, branch).id
    return True


def branch_ended(machine: Machine, fiber: Fiber, completion: Completion) -> None:
    """Count a branch's end; decide, start the next item or go on, as its group says."""
    state = machine.state
    del state.fibers[fiber.id]
    assert fiber.group is not None, "a branch has a group"
    group = state.groups[fiber.group]
    del group.active[fiber.branch]
    if group.decided not in {"failure", "until", "winner", "canceled"}:
        assert isinstance(completion, Returned | Failed), "no jump leaves a branch"
        _count(machine, group, fiber.branch, completion)
    else:
        assert isinstance(completion, Failed), "who is canceled fails of that"
        group.undone += completion.failure.compensation or []
    finish_if_over(machine, group)


def _count(machine: Machine, group: Group, branch: int, completion: Returned | Failed) -> None:
    op = machine.program.ops[group.pc]
    if isinstance(completion, Failed):
        group.failed += 1
        machine.lost_branches.append(completion.failure)
        group.errors[branch] = completion.failure.to_json()
    else:
        group.succeeded += 1
        group.values[branch] = completion.value
    if op.kind is ir.Race:
        group.winner = branch
        decide(machine, group, "winner", _failure_of(completion))
    elif op.kind is ir.Parallel:
        if isinstance(completion, Failed) and not op.collect:
            decide(machine, group, "failure", completion.failure)
    else:
        _count_item(machine, group, op, completion)


def _failure_of(completion: Completion) -> Failure | None:
    return completion.failure if isinstance(completion, Failed) else None


def _count_item(machine: Machine, group: Group, op: Any, completion: Returned | Failed) -> None:
    if op.keep != "results":
        group.values.clear()
    if op.keep == "counts":
        group.errors.clear()
    if isinstance(completion, Failed):
        if op.policy == "fail_fast":
            decide(machine, group, "failure", completion.failure)
            return
        if too_many(op, group):
            group.decided = "tolerance"
    if group.decided is not None:
        return
    parent = machine.state.fibers[group.fiber]
    try:
        if op.until is not None and _enough(machine, parent, group, op):
            decide(machine, group, "until", None)
            return
    except EvalError as error:
        decide(machine, group, "failure", machine.expression_failure(parent, error))
        return
    _start_items(machine, parent, group, op)


def too_many(op: Any, group: Group) -> bool:
    """Whether more items have failed than may."""
    if op.policy != "tolerate":
        return False
    return group.failed > (_tolerated(op, group) if group.spare is None else group.spare)


def spare(op: Any, group: Group) -> int | None:
    """How many more items may fail; None where failures are not counted."""
    if op.policy != "tolerate":
        return None
    return max(int(_tolerated(op, group)) - group.failed, 0)


def _tolerated(op: Any, group: Group) -> float:
    if op.tolerate_count is not None:
        return float(op.tolerate_count)
    # Rounded, because 0.29 * 100 is a little less than 29.
    return float(round(op.tolerate_share * len(group.items), 6))


def _enough(machine: Machine, parent: Fiber, group: Group, op: Any) -> bool:
    machine.focus(parent)
    value = fan_out_value(group, op)
    names = ("results", "errors", "succeeded", "failed", "total")
    frame = {**parent.frame, **dict(zip(op.until_slots, (value[name] for name in names), strict=True))}
    return bool(op.until(frame, machine.env))


def decide(machine: Machine, group: Group, why: Any, failure: Failure | None) -> None:
    """The outcome stands: start no more branches and cancel those that run."""
    group.decided, group.failure = why, failure
    for fiber_id in list(group.active.values()):
        fiber = machine.state.fibers[fiber_id]
        fiber.canceled = True
        machine.cancel(fiber)


def cancel_branches(machine: Machine, fiber: Fiber) -> bool:
    """Cancel the branches, or the chunk, that a fiber waits for; False when it waits for none."""
    if chunks.is_chunk(machine, fiber):
        chunks.cancel(machine, fiber)
        return True
    if not isinstance(fiber.wait, JoinWait):
        return False
    group = machine.state.groups[fiber.wait.group]
    decide(machine, group, "canceled", None)
    finish_if_over(machine, group)
    return True


def finish_if_over(machine: Machine, group: Group) -> bool:
    """Let the parent go on when no branch runs and none will; returns whether the parent still waits."""
    branches = len(group.items) if group.split is None else group.split.count
    if group.active or (group.decided is None and group.next < branches):
        return True
    state = machine.state
    parent = state.fibers[group.fiber]
    del state.groups[group.id]
    op = machine.program.ops[group.pc]
    failure = _outcome(machine, parent, group)
    if failure is not None:
        failure = with_undone(failure, group.undone or None)
    elif is_whole_chunk(machine, parent):
        machine.end(parent, Returned(value=chunks.outcome(machine, group, op)))
        return True
    else:
        parent.frame[op.slot] = _value(group, op)
    parent.pc = op.end
    machine.resume(parent, failure)
    return True


def _outcome(machine: Machine, parent: Fiber, group: Group) -> Failure | None:
    """The error that the group ends with, if any."""
    if group.decided == "canceled":
        return machine.cancellation(parent)
    if group.decided == "tolerance" and not is_whole_chunk(machine, parent):
        counts = {"succeeded": group.succeeded, "failed": group.failed, "total": len(group.items)}
        message = f"{group.failed} of {len(group.items)} items failed"
        return machine.failure(parent, TOLERANCE, message, counts)
    return group.failure


def _value(group: Group, op: Any) -> Any:
    if op.kind is ir.FanOut:
        return fan_out_value(group, op)
    if op.kind is ir.Race:
        assert group.winner is not None, "a race that ends well has a winner"
        return {"winner": op.branches[group.winner][0], "value": group.values[group.winner]}
    if not op.collect:
        return {name: group.values[branch] for branch, (name, _) in enumerate(op.branches)}
    return {
        name: {"value": group.values.get(branch), "error": group.errors.get(branch)}
        for branch, (name, _) in enumerate(op.branches)
    }


def is_whole_chunk(machine: Machine, parent: Fiber) -> bool:
    """Whether what a fiber waits for is all that this instance is to do."""
    return machine.started.chunk is not None and parent.id == 0


def awaited(machine: Machine, parent: Fiber) -> Group | None:
    """The group that a fiber waits for."""
    return machine.state.groups[parent.wait.group] if isinstance(parent.wait, JoinWait) else None


def fan_out_value(group: Group, op: Any) -> dict[str, Any]:
    """The value of a fan-out, as far as it is kept."""
    if group.split is not None:
        return chunks.value(group, op)
    indexes = range(len(group.items))
    errors = [
        {"index": group.first + index, "key": group.keys[index], "error": group.errors[index]}
        for index in sorted(group.errors)
    ]
    return {
        "results": [group.values.get(index) for index in indexes] if op.keep == "results" else [],
        "errors": errors,
        "succeeded": group.succeeded,
        "failed": group.failed,
        "total": len(group.items),
    }
