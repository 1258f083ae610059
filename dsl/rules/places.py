"""Every position of a workflow that holds a value, with the names that may be read there.

This is the table of names in the language's page, section 2.3, as code: lexical scope, in which a step is
visible after itself in its block and in blocks nested there, and the names that only some positions have.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from perdure.dsl import model
from perdure.dsl.expr.ast import Value


class Kind(StrEnum):
    """What a name stands for."""

    ROOT = "root"
    STEP = "step"
    ITEM = "item"
    INDEX = "index"
    COUNTER = "counter"
    NOT_KEPT = "not kept"
    CUT_OFF = "cut off"


class Role(StrEnum):
    """What a position does with its value."""

    VALUE = "value"
    CONDITION = "condition"
    DURATION = "duration"
    TIME = "time"
    COUNT = "count"
    LIST = "list"
    KEY = "key"
    ARGUMENTS = "arguments"
    RESULT = "result"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A name that may be read; ``step`` is the one it names, or whose value ``result`` is."""

    name: str
    kind: Kind
    step: model.Step | None = None


class Scope:
    """The names visible at a place, innermost first. It grows while a block is walked."""

    __slots__ = ("_own", "_parent")

    def __init__(self, parent: Scope | None = None, *symbols: Symbol) -> None:
        self._parent = parent
        self._own = {symbol.name: symbol for symbol in symbols}

    def add(self, symbol: Symbol) -> None:
        """Makes a name visible from here on."""
        self._own[symbol.name] = symbol

    def get(self, name: str) -> Symbol | None:
        """What a name stands for."""
        found = self._own.get(name)
        return found or (self._parent.get(name) if self._parent else None)

    def names(self) -> set[str]:
        """All names that may be read."""
        return set(self._own) | (self._parent.names() if self._parent else set())


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A value where it stands. ``scope`` is right until the next place is asked for."""

    value: Value
    scope: Scope
    role: Role
    step: model.Step


ROOTS = ("input", "vars", "workflow")
COUNTERS = ("succeeded", "failed", "total")

Places: TypeAlias = Iterator[Place]
Walk: TypeAlias = Generator[Place, None, Scope]


def places(workflow: model.Workflow) -> Places:
    """Every value of a workflow, in the order of the file."""
    yield from _Walker().block(workflow.body, base_scope())


def base_scope() -> Scope:
    """The names that are visible everywhere."""
    return Scope(None, *(_root(name) for name in ROOTS))


def _root(name: str, step: model.Step | None = None) -> Symbol:
    return Symbol(name=name, kind=Kind.ROOT, step=step)


class _Walker:
    """Walks blocks; ``block`` gives back the scope at the end of the block."""

    def block(self, block: model.Block, outer: Scope) -> Walk:
        scope = Scope(outer)
        for step in block.steps:
            yield from self._step(step, scope)
            if step.name is not None:
                scope.add(Symbol(name=step.name, kind=Kind.STEP, step=step))
        return scope

    def _step(self, step: model.Step, scope: Scope) -> Places:
        yield from _some(step, scope, Role.CONDITION, step.guard)
        if isinstance(step, model.Bounded):
            yield from _some(step, scope, Role.DURATION, step.timeout, step.deadline)
            yield from _retry(step, scope)
        end = yield from self._own(step, scope)
        if isinstance(step, model.Call):
            # A worker evaluates it, and has nothing but the result.
            yield from _some(step, Scope(None, _root("result", step)), Role.RESULT, step.output)
        else:
            yield from _some(step, Scope(end, _root("result", step)), Role.VALUE, step.output)

    def _own(self, step: model.Step, scope: Scope) -> Walk:
        """What only this kind of step has; the result is the scope that its ``output`` sees."""
        match step:
            case model.Do():
                return (yield from self.block(step.body, scope))
            case model.If() | model.Switch() | model.Try() | model.WaitForEvent():
                yield from self._branching(step, scope)
            case model.Parallel() | model.Race():
                yield from _some(step, scope, Role.DURATION, step.timeout)
                for branch in step.branches:
                    yield from self.block(branch.body, scope)
            case model.FanOut() | model.ForEach() | model.Loop():
                yield from self._repeating(step, scope)
            case _:
                yield from _leaf(step, scope)
        return scope

    def _branching(
        self, step: model.If | model.Switch | model.Try | model.WaitForEvent, scope: Scope
    ) -> Places:
        match step:
            case model.If():
                yield from _some(step, scope, Role.CONDITION, step.condition)
                yield from self.block(step.then, scope)
                yield from self._optional(step.otherwise, scope)
            case model.Switch():
                for case in step.cases:
                    yield from _some(step, scope, Role.CONDITION, case.when)
                    yield from self.block(case.body, scope)
                yield from self._optional(step.otherwise, scope)
            case model.Try():
                yield from self.block(step.body, scope)
                for clause in step.catches:
                    caught = Scope(scope, _root("error"))
                    yield from _some(step, caught, Role.CONDITION, clause.when)
                    yield from self.block(clause.body, caught)
                yield from self._optional(step.finally_, scope)
            case model.WaitForEvent():
                yield from _some(step, scope, Role.DURATION, step.timeout)
                yield from _some(step, scope, Role.COUNT, step.count)
                yield from _some(step, Scope(scope, _root("event")), Role.CONDITION, step.until)
                gathers = step.count is not None or step.until is not None
                late = Scope(scope, _root("result")) if gathers else scope
                yield from self._optional(step.on_timeout, late)

    def _optional(self, block: model.Block | None, scope: Scope) -> Places:
        if block is not None:
            yield from self.block(block, scope)

    def _repeating(self, step: model.FanOut | model.ForEach | model.Loop, scope: Scope) -> Places:
        inside = Scope(scope, Symbol(name=step.at, kind=Kind.INDEX))
        if isinstance(step, model.Loop):
            yield from _some(step, scope, Role.COUNT, step.limit)
            yield from _some(step, scope, Role.DURATION, step.timeout)
            if step.kind == "while":
                yield from _some(step, scope, Role.CONDITION, step.condition)
            end = yield from self.block(step.body, inside)
            if step.kind == "until":
                yield from _some(step, _after(step.body, end), Role.CONDITION, step.condition)
            return
        inside.add(Symbol(name=step.each, kind=Kind.ITEM))
        yield from _some(step, scope, Role.LIST, step.items)
        yield from _some(
            step, scope, Role.COUNT, step.width if isinstance(step, model.FanOut) else step.limit
        )
        yield from _some(step, scope, Role.DURATION, step.timeout)
        if isinstance(step, model.FanOut):
            yield from _some(step, inside, Role.KEY, step.key)
            yield from _some(step, _so_far(step, scope), Role.CONDITION, step.until)
        yield from self.block(step.body, inside)


def _some(step: model.Step, scope: Scope, role: Role, *values: Value | int | None) -> Places:
    """The places of those values that are there and not already read as a number."""
    for value in values:
        if value is not None and not isinstance(value, int):
            yield Place(value=value, scope=scope, role=role, step=step)


def _retry(step: model.Bounded, scope: Scope) -> Places:
    retry = step.retry
    if retry is None:
        return
    # A policy of the header stands outside all blocks, whoever uses it.
    scope = scope if retry.policy is None else base_scope()
    yield from _some(step, scope, Role.COUNT, retry.attempts)
    yield from _some(step, scope, Role.DURATION, retry.delay, retry.max_delay)
    yield from _some(step, Scope(scope, _root("error")), Role.CONDITION, retry.when)


def _leaf(step: model.Step, scope: Scope) -> Places:
    """The values of a step without blocks."""
    match step:
        case model.Call():
            yield from _some(step, scope, Role.ARGUMENTS, step.arguments)
            yield from _some(step, scope, Role.KEY, step.idempotency_key)
        case model.Set():
            yield from _some(step, scope, Role.VALUE, *(value for _, value in step.values))
        case model.NameValue() | model.Output() | model.Return() | model.SetCustomStatus():
            yield from _some(step, scope, Role.VALUE, step.value)
        case model.Raise():
            error = None if isinstance(step.error, str) else step.error
            yield from _some(step, scope, Role.ERROR, error, step.cause)
            yield from _some(step, scope, Role.VALUE, step.message, step.data)
        case model.Wait():
            yield from _some(step, scope, Role.DURATION, step.duration)
            yield from _some(step, scope, Role.TIME, step.until)
        case model.ContinueAsNew():
            yield from _some(step, scope, Role.VALUE, step.input)
        case model.Log():
            yield from _some(step, scope, Role.VALUE, step.message, step.fields)
        case _:
            return


def _so_far(step: model.FanOut, scope: Scope) -> Scope:
    """What ``until`` of a fan_out sees: the value so far, beside the names around."""
    counters = [Symbol(name=name, kind=Kind.COUNTER) for name in COUNTERS]
    lists = [Symbol(name=name, kind=Kind.COUNTER if kept(step, name) else Kind.NOT_KEPT) for name in KEPT]
    return Scope(scope, *counters, *lists)


KEPT = {"results": ("results",), "errors": ("results", "errors")}
"""The lists of a fan_out's value, and the values of ``keep`` that keep each."""


def kept(step: model.FanOut, name: str) -> bool:
    """Whether a fan_out keeps a field of its value."""
    return step.keep in KEPT.get(name, (step.keep,))


def _after(body: model.Block, end: Scope) -> Scope:
    """What is surely assigned after an iteration: less than the block's names if 'continue' may cut it."""
    cut = next((index for index, step in enumerate(body.steps) if continues(step)), None)
    if cut is None:
        return end
    known = {step.name for step in body.steps[:cut]}
    lost = (step for step in body.steps[cut:] if step.name not in known)
    return Scope(end, *(Symbol(name=step.name, kind=Kind.CUT_OFF, step=step) for step in lost if step.name))


def continues(step: model.Step) -> bool:
    """Whether a step may run a 'continue' of the loop around it."""
    if isinstance(step, model.Continue):
        return True
    if isinstance(step, model.FanOut | model.ForEach | model.Loop):
        return False
    return any(continues(inner) for block in blocks(step) for inner in block.steps)


def blocks(step: model.Step) -> Iterator[model.Block]:
    """The blocks of a step, in the order of the model."""
    match step:
        case model.Do() | model.FanOut() | model.ForEach() | model.Loop():
            yield step.body
        case model.If():
            yield step.then
            yield from _present(step.otherwise)
        case model.Switch():
            yield from (case.body for case in step.cases)
            yield from _present(step.otherwise)
        case model.Try():
            yield step.body
            yield from (clause.body for clause in step.catches)
            yield from _present(step.finally_)
        case model.Parallel() | model.Race():
            yield from (branch.body for branch in step.branches)
        case model.WaitForEvent():
            yield from _present(step.on_timeout)
        case _:
            return


def _present(block: model.Block | None) -> Iterator[model.Block]:
    if block is not None:
        yield block


def all_steps(block: model.Block) -> Iterator[model.Step]:
    """Every step of a block and of the blocks inside, outer ones first."""
    for step in block.steps:
        yield step
        for inner in blocks(step):
            yield from all_steps(inner)
