"""Every position of a document that holds a value, with the names that may be read there.

This is the table of "Blocks and names" in the language's page as code: lexical scope, in which a step is
visible after itself in its block and in blocks nested there, and the names that only some positions have.
A function's body is walked where it is declared, and again in every step that uses it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeAlias

from perdure.dsl import model
from perdure.dsl.rules.entity_places import entity_places
from perdure.dsl.rules.scopes import ROOTS, Kind, Place, Places, Role, Scope, Symbol, base_scope, root, some

__all__ = [
    "COUNTERS",
    "ROOTS",
    "Kind",
    "Place",
    "Places",
    "Role",
    "Scope",
    "Symbol",
    "all_steps",
    "base_scope",
    "blocks",
    "continues",
    "kept",
    "places",
    "steps_of",
]

COUNTERS = ("succeeded", "failed", "total")

Walk: TypeAlias = Generator[Place, None, Scope]


def places(document: model.Workflow | model.Entity) -> Places:
    """Every value of an entity, or of a workflow: of its header, of its functions, of its steps."""
    if isinstance(document, model.Entity):
        yield from entity_places(document)
        return
    yield from _header(document)
    walker = _Walker()
    for function in document.functions:
        yield from walker.block(function.body, Scope(base_scope(), root("args")))
    yield from walker.block(document.body, base_scope())


def _header(workflow: model.Workflow) -> Places:
    start = Scope(None, root("input"), root("workflow"))
    yield from some(None, start, Role.KEY, *(value for _, value in workflow.tags))
    for query in workflow.queries:
        yield from some(None, base_scope(), Role.OUTSIDE, query.value)
    if workflow.concurrency is not None:
        yield from some(None, start, Role.KEY, workflow.concurrency.key)
        yield from some(None, start, Role.COUNT, workflow.concurrency.limit)
    for schedule in workflow.schedule:
        yield from some(None, Scope(None, root("schedule")), Role.OUTSIDE, schedule.input)


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
        yield from some(step, scope, Role.CONDITION, step.guard)
        if isinstance(step, model.Bounded):
            yield from some(step, scope, Role.DURATION, step.timeout, step.deadline)
            yield from _retry(step, step.retry, scope)
        end = yield from self._own(step, scope)
        if isinstance(step, model.Call):
            # A worker evaluates it, and has nothing but the result.
            yield from some(step, Scope(None, root("result", step)), Role.RESULT, step.output)
        else:
            yield from some(step, Scope(end, root("result", step)), Role.VALUE, step.output)
        if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate:
            yield from self._compensate(step, step.compensate, scope)

    def _compensate(self, step: model.Step, compensate: model.Compensate, scope: Scope) -> Places:
        """What undoes a step sees what the step saw, ``step``, and the step's value if there is one."""
        inside = Scope(scope, root("step", step))
        if step.name is not None:
            kind = Kind.STEP if compensate.on == "success" else Kind.ATTEMPTED
            inside.add(Symbol(name=step.name, kind=kind, step=step))
        yield from _retry(compensate.action, compensate.retry, inside)
        yield from self._step(compensate.action, inside)

    def _own(self, step: model.Step, scope: Scope) -> Walk:
        """What only this kind of step has; the result is the scope that its ``output`` sees."""
        match step:
            case model.Do():
                return (yield from self.block(step.body, scope))
            case model.Saga():
                yield from some(step, scope, Role.DURATION, step.timeout)
                yield from _retry(step, step.retry, scope)
                return (yield from self.block(step.body, scope))
            case model.LockEntities():
                yield from some(step, scope, Role.DURATION, step.timeout)
                if isinstance(step.entities, tuple):
                    yield from some(step, scope, Role.TEXT, *(entity.key for entity in step.entities))
                else:
                    yield from some(step, scope, Role.LIST, step.entities)
                yield from self.block(step.body, scope)
            case model.Use():
                yield from some(step, scope, Role.VALUE, step.arguments)
                yield from self.block(step.body, Scope(base_scope(), root("args", step)))
            case model.If() | model.Switch() | model.Try() | model.WaitForEvent():
                yield from self._branching(step, scope)
            case model.Parallel() | model.Race():
                yield from some(step, scope, Role.DURATION, step.timeout)
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
                yield from some(step, scope, Role.CONDITION, step.condition)
                yield from self.block(step.then, scope)
                yield from self._optional(step.otherwise, scope)
            case model.Switch():
                for case in step.cases:
                    yield from some(step, scope, Role.CONDITION, case.when)
                    yield from self.block(case.body, scope)
                yield from self._optional(step.otherwise, scope)
            case model.Try():
                yield from self.block(step.body, scope)
                for clause in step.catches:
                    caught = Scope(scope, root("error"))
                    yield from some(step, caught, Role.CONDITION, clause.when)
                    yield from self.block(clause.body, caught)
                yield from self._optional(step.finally_, scope)
            case model.WaitForEvent():
                yield from some(step, scope, Role.DURATION, step.timeout)
                yield from some(step, scope, Role.COUNT, step.count)
                hearing = Scope(scope, root("event", step))
                yield from some(step, hearing, Role.CONDITION, step.correlate, step.until)
                gathers = step.count is not None or step.until is not None
                late = Scope(scope, root("result")) if gathers else scope
                yield from self._optional(step.on_timeout, late)

    def _optional(self, block: model.Block | None, scope: Scope) -> Places:
        if block is not None:
            yield from self.block(block, scope)

    def _repeating(self, step: model.FanOut | model.ForEach | model.Loop, scope: Scope) -> Places:
        inside = Scope(scope, Symbol(name=step.at, kind=Kind.INDEX))
        if isinstance(step, model.Loop):
            yield from some(step, scope, Role.COUNT, step.limit)
            yield from some(step, scope, Role.DURATION, step.timeout)
            if step.kind == "while":
                yield from some(step, scope, Role.CONDITION, step.condition)
            end = yield from self.block(step.body, inside)
            if step.kind == "until":
                yield from some(step, _after(step.body, end), Role.CONDITION, step.condition)
            return
        inside.add(Symbol(name=step.each, kind=Kind.ITEM))
        yield from some(step, scope, Role.LIST, step.items)
        yield from some(step, scope, Role.COUNT, step.width if isinstance(step, model.FanOut) else step.limit)
        yield from some(step, scope, Role.DURATION, step.timeout)
        if isinstance(step, model.FanOut):
            yield from some(step, inside, Role.KEY, step.key)
            yield from some(step, _so_far(step, scope), Role.CONDITION, step.until)
        yield from self.block(step.body, inside)


def _retry(step: model.Step, retry: model.Retry | None, scope: Scope) -> Places:
    if retry is None:
        return
    # A policy of the header stands outside all blocks, whoever uses it.
    scope = scope if retry.policy is None else base_scope()
    yield from some(step, scope, Role.COUNT, retry.attempts)
    yield from some(step, scope, Role.DURATION, retry.delay, retry.max_delay)
    yield from some(step, Scope(scope, root("error")), Role.CONDITION, retry.when)


def _leaf(step: model.Step, scope: Scope) -> Places:
    """The values of a step without blocks."""
    match step:
        case model.Call():
            yield from some(step, scope, Role.ARGUMENTS, step.arguments)
            yield from some(step, scope, Role.KEY, step.idempotency_key, step.fairness_key)
            yield from some(step, scope, Role.DURATION, step.heartbeat)
            if step.concurrency is not None:
                yield from some(step, scope, Role.KEY, step.concurrency.key)
                yield from some(step, scope, Role.COUNT, step.concurrency.limit)
        case model.CallWorkflow() | model.StartWorkflow():
            yield from some(step, scope, Role.VALUE, step.arguments)
            yield from some(
                step, scope, Role.TEXT, step.instance_id, *(value for _, value in step.child_tags)
            )
            if isinstance(step, model.StartWorkflow):
                yield from some(step, scope, Role.TIME, step.start_at)
        case model.CallEntity():
            yield from some(step, scope, Role.TEXT, step.entity.key)
            yield from some(step, scope, Role.VALUE, step.arguments)
            yield from some(step, scope, Role.DURATION, step.timeout)
        case model.SignalEntity():
            yield from some(step, scope, Role.TEXT, step.entity.key)
            yield from some(step, scope, Role.VALUE, step.arguments)
            yield from some(step, scope, Role.TIME, step.at)
        case model.SendEvent():
            yield from some(step, scope, Role.TEXT, step.to)
            yield from some(step, scope, Role.VALUE, step.arguments)
        case model.Cancel():
            yield from some(step, scope, Role.TEXT, step.instance, step.reason)
        case model.Set():
            yield from some(step, scope, Role.VALUE, *(value for _, value in step.values))
        case model.NameValue() | model.Output() | model.Return() | model.SetCustomStatus():
            yield from some(step, scope, Role.VALUE, step.value)
        case model.Raise():
            error = None if isinstance(step.error, str) else step.error
            yield from some(step, scope, Role.ERROR, error, step.cause)
            yield from some(step, scope, Role.VALUE, step.message, step.data)
        case model.Wait():
            yield from some(step, scope, Role.DURATION, step.duration)
            yield from some(step, scope, Role.TIME, step.until)
        case model.ContinueAsNew():
            yield from some(step, scope, Role.VALUE, step.input)
        case model.Log():
            yield from some(step, scope, Role.VALUE, step.message, step.fields)
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
    if isinstance(step, model.FanOut | model.ForEach | model.Loop | model.Use):
        return False
    return any(continues(inner) for block in blocks(step) for inner in block.steps)


def blocks(step: model.Step) -> Iterator[model.Block]:
    """The blocks of a step, in the order of the model."""
    match step:
        case model.Do() | model.Saga() | model.LockEntities() | model.Use():
            yield step.body
        case model.FanOut() | model.ForEach() | model.Loop():
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
    """Every step of a block and of the blocks inside, outer ones first; what undoes a step comes after it."""
    for step in block.steps:
        yield step
        if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate:
            yield step.compensate.action
        for inner in blocks(step):
            yield from all_steps(inner)


def steps_of(workflow: model.Workflow) -> Iterator[model.Step]:
    """Every step of a workflow: those of its functions as declared, then those of its block."""
    for function in workflow.functions:
        yield from all_steps(function.body)
    yield from all_steps(workflow.body)
