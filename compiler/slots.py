"""Which slots are needed where, and so what has to be copied when a frame is left behind.

A compensation, a chunk of a ``fan_out`` and the generation after a checkpoint begin with a copy of the
slots that they may read before they write them.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from perdure.compiler import ir
from perdure.compiler.flow import Flow, Stack

_OF_LOOPS = (ir.NextItem, ir.EndItem, ir.CollectItems, ir.NextRound)
_COUNTED = (ir.NextRound, ir.Checkpoint)


class Needed:
    """For each instruction in use, the slots that may be read from there on before they are written."""

    def __init__(self, flow: Flow, steps: tuple[ir.Step, ...]) -> None:
        self._bits: dict[str, int] = {}
        reads = {at: self._mask(read_by(flow.code[at], steps)) for at in flow.edges}
        edges = {
            at: [(edge.to, ~self._mask(edge.writes)) for edge in found] for at, found in flow.edges.items()
        }
        for at, found in edges.items():
            op = flow.code[at]
            if isinstance(op, ir.EnterTry) and op.finally_ is not None:
                inside = _finally(flow, at, op.finally_)
                mask = self._mask({slot for each in inside for slot in read_by(flow.code[each], steps)})
                found[:] = [(to, mask if to == op.finally_ else kept) for to, kept in found]
        self._needed = reads
        backwards = sorted(edges, reverse=True)
        changed = True
        while changed:
            changed = False
            for at in backwards:
                before = needed = reads[at]
                for to, kept in edges[at]:
                    needed |= reads[to] & kept
                if needed != before:
                    reads[at], changed = needed, True

    def at(self, index: int) -> set[str]:
        """The slots that are needed when the instruction at ``index`` begins."""
        mask, names, found = self._needed.get(index, 0), list(self._bits), set()
        while mask:
            lowest = mask & -mask
            found.add(names[lowest.bit_length() - 1])
            mask ^= lowest
        return found

    def _mask(self, slots: frozenset[str] | set[str]) -> int:
        mask = 0
        for slot in slots:
            mask |= self._bits.setdefault(slot, 1 << len(self._bits))
        return mask


def _finally(flow: Flow, scope: int, start: int) -> set[int]:
    """The instructions of a ``finally``: an error that leads there does not go on behind it."""
    inside: set[int] = set()
    work = [start]
    while work:
        at = work.pop()
        if at in inside:
            continue
        inside.add(at)
        if not isinstance(flow.code[at], ir.EndFinally) or flow.stacks[at][-1].at != scope:
            work.extend(edge.to for edge in flow.edges[at])
    return inside


def copied(op: ir.Op, at: int, needed: Needed) -> tuple[str, ...]:
    """What an instruction that leaves its frame behind must take along, in the order of names."""
    match op:
        case ir.Register():
            slots = needed.at(op.body) - {op.step_slot, op.vars_slot}
        case ir.Checkpoint():
            slots = needed.at(at + 1)
        case ir.FanOut() if op.chunk != "off":
            inside = needed.at(op.body) - {op.item_slot, op.index_slot, op.key_slot}
            slots = inside | (_slots_of(op.key) | _slots_of(op.until)) - _own(op)
        case _:
            slots = set()
    return tuple(sorted(slots))


def with_copies(code: tuple[ir.Op, ...], steps: tuple[ir.Step, ...]) -> tuple[ir.Op, ...]:
    """The code with ``captures`` and ``carries`` filled in; chunks are ``off`` where they cannot be."""
    if not any(isinstance(op, ir.Register | ir.Checkpoint | ir.FanOut) for op in code):
        return code
    flow = Flow(code)
    code = tuple(_unchunked(op) if _ties(op, at, flow) else op for at, op in enumerate(code))
    needed = Needed(flow, steps)
    return tuple(_with_copies(op, at, needed) for at, op in enumerate(code))


def _unchunked(op: ir.Op) -> ir.Op:
    return msgspec.structs.replace(op, chunk="off")


def _ties(op: ir.Op, at: int, flow: Flow) -> bool:
    """Whether something ties the items of a ``fan_out`` to this instance, so that no child could do them.

    That is: locks, ``until``, a saga around that keeps what they register, events sent to this instance,
    its custom status.
    """
    if not isinstance(op, ir.FanOut) or op.chunk == "off" or at not in flow.stacks:
        return False
    stack = flow.stacks[at]
    if op.until is not None or _holds(flow, stack, ir.EnterLock):
        return True
    return any(_tied(each, flow, len(stack)) for each in range(op.body, op.end) if each in flow.stacks)


def _tied(at: int, flow: Flow, depth: int) -> bool:
    op = flow.code[at]
    if isinstance(op, ir.Register):
        return not _holds(flow, flow.stacks[at][depth + 1 :], ir.EnterSaga)
    return isinstance(op, ir.WaitEvent | ir.SetCustomStatus)


def _holds(flow: Flow, stack: Stack, kind: type[ir.Op]) -> bool:
    return any(isinstance(flow.code[each.at], kind) for each in stack)


def _with_copies(op: ir.Op, at: int, needed: Needed) -> ir.Op:
    slots = copied(op, at, needed)
    match op:
        case ir.Register():
            vars_slot = op.vars_slot if op.vars_slot in needed.at(op.body) else None
            return msgspec.structs.replace(op, captures=slots, vars_slot=vars_slot)
        case ir.Checkpoint():
            return msgspec.structs.replace(op, carries=slots)
        case ir.FanOut():
            return msgspec.structs.replace(op, captures=slots)
        case _:
            return op


def read_by(op: ir.Op, steps: tuple[ir.Step, ...]) -> set[str]:
    """The slots that an instruction reads from the frame as it finds it."""
    found = _slots_of(op) - _own(op)
    found.update(steps[op.step].path[1::2])
    if isinstance(op, ir.Move | ir.EndItem | ir.EndBranch) and op.source is not None:
        found.add(op.source)
    if isinstance(op, _OF_LOOPS):
        found.add(op.loop)
    if isinstance(op, _COUNTED):
        found.add(op.index_slot)
    return found


def _own(op: ir.Op) -> set[str]:
    """Slots that the instruction's expressions read after it has written them itself."""
    match op:
        case ir.Call():
            return {"result"}  # the worker's, not the frame's
        case ir.WaitEvent():
            return {op.event_slot}
        case ir.Catch():
            return {op.error_slot}
        case ir.EnterBound() if op.retry is not None:
            return {op.retry.error_slot}
        case ir.FanOut():
            return {op.item_slot, op.index_slot, *op.until_slots}
        case _:
            return set()


def _slots_of(value: object) -> set[str]:
    return {slot for code in codes(value) for _, slot in code.reads}


def codes(value: object) -> Iterator[ir.Code]:
    """Every ``Code`` in an instruction or a part of one."""
    if isinstance(value, ir.Code):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from codes(item)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from codes(getattr(value, name))
