"""Refuses a Program that the machine could not run: a fault of the compiler, never of an author.

Follows every path through the code with the stack of scopes that is open there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from perdure.compiler import ir

_Stack: TypeAlias = tuple[int, ...]
_State: TypeAlias = tuple[int, _Stack]
_PROGRESS = (ir.NextItem, ir.NextRound)


class InvalidProgram(AssertionError):
    """The compiler made a Program that breaks a rule of the machine."""


def verify(program: ir.Program) -> None:
    """Check jumps, scopes, loops and slots. Raises ``InvalidProgram``."""
    code = program.code
    seen: dict[int, _Stack] = {}
    work: list[_State] = [(0, ())]
    while work:
        at, stack = work.pop()
        if not 0 <= at < len(code):
            raise InvalidProgram(f"a jump leads to {at}, outside the code")
        if at in seen:
            if seen[at] != stack:
                raise InvalidProgram(f"{at}: reached with scopes {seen[at]} and {stack}")
            continue
        seen[at] = stack
        for target, after in _successors(code, at, stack):
            if target <= at and not any(isinstance(op, _PROGRESS) for op in code[target : at + 1]):
                raise InvalidProgram(f"{at}: jumps back to {target} without progress")
            work.append((target, after))
    _check_slots(program)
    _check_paths(program)


def _successors(code: tuple[ir.Op, ...], at: int, stack: _Stack) -> Iterator[_State]:
    op = code[at]
    match op:
        case ir.Jump():
            yield op.to, stack
        case ir.JumpUnless() | ir.Catch() | ir.NextItem():
            yield at + 1, stack
            yield _other(op), stack
        case ir.EndItem():
            yield op.to, stack
        case ir.WaitEvent():
            yield at + 1, stack
            if op.on_timeout is not None:
                yield op.on_timeout, stack
        case ir.EnterBound():
            yield at + 1, (*stack, at)
        case ir.LeaveBound():
            _expect(code, at, stack, ir.EnterBound)
            yield at + 1, stack[:-1]
        case ir.EnterTry():
            yield at + 1, (*stack, at)
            if op.catch is not None:
                yield op.catch, (*stack, at)
        case ir.LeaveTry():
            scope = _expect(code, at, stack, ir.EnterTry)
            assert isinstance(scope, ir.EnterTry)
            yield (scope.end, stack[:-1]) if scope.finally_ is None else (scope.finally_, stack)
        case ir.EndFinally():
            scope = _expect(code, at, stack, ir.EnterTry)
            assert isinstance(scope, ir.EnterTry)
            yield scope.end, stack[:-1]
        case ir.Unwind():
            if op.depth > len(stack):
                raise InvalidProgram(f"{at}: unwinds to depth {op.depth} of {len(stack)}")
            yield op.to, stack[: op.depth]
        case ir.FanOut():
            yield op.body, ()
            yield op.end, stack
        case ir.Parallel() | ir.Race():
            yield from ((start, ()) for _, start in op.branches)
            yield op.end, stack
        case ir.EndBranch() | ir.End():
            if stack:
                raise InvalidProgram(f"{at}: ends with open scopes {stack}")
        case ir.Return() | ir.Raise() | ir.RaiseValue() | ir.Rethrow() | ir.ContinueAsNew():
            pass
        case _:
            yield at + 1, stack


def _other(op: ir.JumpUnless | ir.Catch | ir.NextItem) -> int:
    match op:
        case ir.JumpUnless():
            return op.to
        case ir.Catch():
            return op.otherwise
        case ir.NextItem():
            return op.end


def _expect(code: tuple[ir.Op, ...], at: int, stack: _Stack, kind: type[ir.Op]) -> ir.Op:
    if not stack or not isinstance(code[stack[-1]], kind):
        raise InvalidProgram(f"{at}: {type(code[at]).__name__} without an open {kind.__name__}")
    return code[stack[-1]]


def _check_slots(program: ir.Program) -> None:
    """Every slot that is read is written somewhere."""
    written, read = {"result"}, set[str]()
    for op in program.code:
        for name in op.__struct_fields__:
            value = getattr(op, name)
            if name in {
                "slot",
                "item_slot",
                "index_slot",
                "key_slot",
                "error_slot",
                "event_slot",
                "result_slot",
                "loop",
            }:
                written.add(value)
            elif name == "until_slots":
                written.update(value)
            elif name == "source" and value is not None:
                read.add(value)
            else:
                written.update(policy.error_slot for policy in _policies(value))
                read.update(slot for code in codes(value) for _, slot in code.reads)
    if missing := read - written:
        raise InvalidProgram(f"slots {sorted(missing)} are read and never written")


def _policies(value: object) -> Iterator[ir.RetryPolicy]:
    if isinstance(value, ir.RetryPolicy):
        yield value


def codes(value: object) -> Iterator[ir.Code]:
    """Every ``Code`` in a field of an instruction."""
    if isinstance(value, ir.Code):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from codes(item)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from codes(getattr(value, name))


def _check_paths(program: ir.Program) -> None:
    """A path names one step: idempotency keys are made from it."""
    paths = [program.steps[op.step].static_path for op in program.code if isinstance(op, ir.Call)]
    if len(paths) != len(set(paths)):
        raise InvalidProgram("two calls have the same path")
