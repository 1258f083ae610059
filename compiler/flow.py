"""Where control goes from each instruction, and which scopes are open there.

A *stack* lists what is open at an instruction, outermost first: scopes, and the branches in which fibers
begin, whose scopes are their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from perdure.compiler import ir

_Op = TypeVar("_Op", bound=ir.Instruction)
_NOTHING: frozenset[str] = frozenset()


class InvalidProgram(AssertionError):
    """The compiler made a Program that breaks a rule of the machine."""


class Open(NamedTuple):
    """What the instruction at ``at`` has opened; of a ``Try`` also where in it, of a fork which branch."""

    at: int
    part: Literal["body", "catch", "finally"] | int = "body"

    @property
    def is_fiber(self) -> bool:
        """Whether a fiber begins here."""
        return isinstance(self.part, int)


Stack: TypeAlias = tuple[Open, ...]


class Edge(NamedTuple):
    """A way to go on: where, with which stack, and the slots that have their values there."""

    to: int
    stack: Stack
    writes: frozenset[str] = _NOTHING


class Flow:
    """The instructions that can be reached, each with its stack and its edges."""

    def __init__(self, code: tuple[ir.Op, ...]) -> None:
        """Follow every path through the code. Raises ``InvalidProgram`` where one breaks a rule."""
        self.code = code
        self.stacks: dict[int, Stack] = {}
        self.edges: dict[int, tuple[Edge, ...]] = {}
        work: list[tuple[int, Stack]] = [(0, ())]
        while work:
            at, stack = work.pop()
            if not 0 <= at < len(code):
                raise InvalidProgram(f"a jump leads to {at}, outside the code")
            if at in self.stacks:
                if self.stacks[at] != stack:
                    raise InvalidProgram(f"{at}: reached with scopes {self.stacks[at]} and {stack}")
                continue
            self.stacks[at] = stack
            self.edges[at] = tuple(_edges(code, at, stack))
            work.extend((edge.to, edge.stack) for edge in self.edges[at])


def _edges(code: tuple[ir.Op, ...], at: int, stack: Stack) -> Iterator[Edge]:
    op = code[at]
    match op:
        case ir.Jump() | ir.EndItem():
            yield Edge(op.to, stack)
        case ir.JumpUnless():
            yield Edge(at + 1, stack)
            yield Edge(op.to, stack)
        case ir.NextItem():
            yield Edge(at + 1, stack, frozenset({op.item_slot, op.index_slot}))
            yield Edge(op.end, stack)
        case ir.WaitEvent():
            yield Edge(at + 1, stack, frozenset({op.slot}))
            if op.on_timeout is not None:
                yield Edge(op.on_timeout, stack, frozenset({op.result_slot}))
        case ir.Unwind():
            yield Edge(op.to, _cut(at, stack, op.depth))
        case ir.FanOut() | ir.Parallel() | ir.Race() | ir.Register():
            yield from _forks(op, at, stack)
        case ir.EndBranch():
            if not stack or not stack[-1].is_fiber:
                raise InvalidProgram(f"{at}: ends a branch with scopes {stack}")
        case ir.End():
            if stack:
                raise InvalidProgram(f"{at}: ends with open scopes {stack}")
        case ir.Rethrow():
            _tried(code, at, stack, "catch")
        case ir.Return() | ir.Raise() | ir.RaiseValue() | ir.ContinueAsNew():
            pass
        case _:
            yield from _scopes(code, at, stack)


def _scopes(code: tuple[ir.Op, ...], at: int, stack: Stack) -> Iterator[Edge]:
    op = code[at]
    match op:
        case ir.EnterBound() | ir.EnterLock() | ir.EnterSaga():
            yield Edge(at + 1, (*stack, Open(at)))
        case ir.LeaveBound():
            _opened(code, at, stack, ir.EnterBound)
            yield Edge(at + 1, stack[:-1])
        case ir.LeaveLock():
            _opened(code, at, stack, ir.EnterLock)
            yield Edge(at + 1, stack[:-1])
        case ir.LeaveSaga():
            _opened(code, at, stack, ir.EnterSaga)
            yield Edge(at + 1, stack[:-1])
        case ir.EnterTry():
            yield Edge(at + 1, (*stack, Open(at)))
            if op.catch is not None:
                yield Edge(op.catch, (*stack, Open(at, "catch")))
            if op.finally_ is not None:
                yield Edge(op.finally_, (*stack, Open(at, "finally")))
        case ir.Catch():
            _tried(code, at, stack, "catch")
            yield Edge(at + 1, stack, frozenset({op.error_slot}))
            yield Edge(op.otherwise, stack)
        case ir.LeaveTry():
            scope = _tried(code, at, stack, "body", "catch")
            if scope.finally_ is None:
                yield Edge(scope.end, stack[:-1])
            else:
                yield Edge(scope.finally_, (*stack[:-1], stack[-1]._replace(part="finally")))
        case ir.EndFinally():
            yield Edge(_tried(code, at, stack, "finally").end, stack[:-1])
        case _:
            yield Edge(at + 1, stack, written_by(op))


def written_by(op: ir.Op) -> frozenset[str]:
    """The slots that an instruction without edges of its own writes."""
    match op:
        case ir.StartItems():
            return frozenset({op.loop})
        case ir.StartRounds():
            return frozenset({op.loop, op.index_slot})
        case ir.NextRound():
            return frozenset({op.index_slot})
        case _:
            slot = getattr(op, "slot", None)
            return _NOTHING if slot is None else frozenset({slot})


def _forks(op: ir.FanOut | ir.Parallel | ir.Race | ir.Register, at: int, stack: Stack) -> Iterator[Edge]:
    inside = (*stack, Open(at, 0))
    match op:
        case ir.FanOut():
            yield Edge(op.body, inside, frozenset({op.item_slot, op.index_slot, op.key_slot}))
            yield Edge(op.end, stack, frozenset({op.slot}))
        case ir.Parallel() | ir.Race():
            for branch, (_, start) in enumerate(op.branches):
                yield Edge(start, (*stack, Open(at, branch)))
            yield Edge(op.end, stack, frozenset({op.slot}))
        case ir.Register():
            yield Edge(op.body, inside, frozenset({op.step_slot, op.vars_slot or op.step_slot}))
            yield Edge(op.end, stack)


def _cut(at: int, stack: Stack, depth: int) -> Stack:
    """The stack with ``depth`` scopes of the present fiber left."""
    base = max((index + 1 for index, each in enumerate(stack) if each.is_fiber), default=0)
    if depth > len(stack) - base:
        raise InvalidProgram(f"{at}: unwinds to depth {depth} of {len(stack) - base}")
    return stack[: base + depth]


def _opened(code: tuple[ir.Op, ...], at: int, stack: Stack, kind: type[_Op]) -> _Op:
    scope = code[stack[-1].at] if stack and not stack[-1].is_fiber else None
    if not isinstance(scope, kind):
        raise InvalidProgram(f"{at}: {type(code[at]).__name__} without an open {kind.__name__}")
    return scope


def _tried(code: tuple[ir.Op, ...], at: int, stack: Stack, *parts: str) -> ir.EnterTry:
    scope = _opened(code, at, stack, ir.EnterTry)
    if stack[-1].part not in parts:
        raise InvalidProgram(f"{at}: {type(code[at]).__name__} in the {stack[-1].part} of a try")
    return scope
