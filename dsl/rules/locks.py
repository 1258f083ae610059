"""PD510 to PD513: what is done under ``lock_entities`` can neither wait for itself nor race.

An entity is known by its type, and by its key where two keys can be told apart: two constants. Keys that
are expressions may be equal, so they are left to the engine.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr.ast import Const, Value, without_positions
from perdure.dsl.expr.names import names_of
from perdure.dsl.rules.places import all_steps, blocks


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes what is not allowed under a lock."""
    for function in workflow.functions:
        _block(function.body, None, diagnostics)
    _block(workflow.body, None, diagnostics)


def _block(block: model.Block, lock: model.LockEntities | None, diagnostics: Collector) -> None:
    for step in block.steps:
        if diagnostics.full:
            return
        if isinstance(step, model.LockEntities) and isinstance(step.entities, tuple):
            _list(step, step.entities, diagnostics)
        if lock is not None:
            _under(step, lock, diagnostics)
            if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate:
                _under(step.compensate.action, lock, diagnostics)
            _side_by_side(step, diagnostics)
        for inner in blocks(step):
            _block(inner, step if isinstance(step, model.LockEntities) else lock, diagnostics)


def _list(step: model.LockEntities, entities: tuple[model.EntityTarget, ...], diagnostics: Collector) -> None:
    """A list that locks nothing, or one entity twice."""
    if not entities:
        diagnostics.add(
            "PD809", "this locks nothing", step.entities_span, hint="write 'do' for a plain block"
        )
    first: dict[tuple[str, bytes], model.EntityTarget] = {}
    for entity in entities:
        before = first.setdefault(_identity(entity), entity)
        if before is not entity and entity.type:
            related = [Related(span=before.span, message="first here")]
            message = "the same entity stands twice in this lock"
            diagnostics.add("PD809", message, entity.span, hint="take one of the two out", related=related)


def _identity(entity: model.EntityTarget) -> tuple[str, bytes]:
    """The same for entities that are surely the same where the same names are known."""
    return entity.type, msgspec.json.encode(without_positions(entity.key))


def _under(step: model.Step, lock: model.LockEntities, diagnostics: Collector) -> None:
    name, related = quote(lock.name or ""), [Related(span=lock.entities_span, message="these are locked")]
    match step:
        case model.LockEntities():
            message = f"'lock_entities' inside {name}, which holds locks already"
            hint = "lock all entities at once: 'lock_entities' takes a list"
            diagnostics.add("PD510", message, step.entities_span, hint=hint, related=related)
        case model.CallEntity(entity=entity) | model.SignalEntity(entity=entity):
            if not _may_be_locked(entity, lock):
                message = f"the lock {name} holds no {entity.type}"
                if isinstance(entity.key, Const):
                    message = f"the lock {name} does not hold {_shown(entity)}"
                hint = "add it to 'lock_entities', or do this before or after the lock"
                diagnostics.add("PD511", message, entity.span, hint=hint, related=related)
        case model.FanOut(chunk=int()):
            message = f"chunks inside lock_entities {name}"
            hint = "chunks are child instances, which do not hold the locks: leave 'chunk' out"
            diagnostics.add("PD512", message, step.name_span or step.span, hint=hint, related=related)
        case model.CallWorkflow():
            message = f"'call_workflow' inside lock_entities {name}"
            hint = "the child could wait for the same entities: call it before or after the lock"
            diagnostics.add("PD512", message, step.workflow_span, hint=hint, related=related)
        case _:
            pass


def _may_be_locked(entity: model.EntityTarget, lock: model.LockEntities) -> bool:
    if not isinstance(lock.entities, tuple) or not entity.type:
        return True
    same_type = [held for held in lock.entities if held.type in (entity.type, "")]
    return any(not _surely_different(held.key, entity.key) for held in same_type)


def _surely_different(one: Value, other: Value) -> bool:
    return isinstance(one, Const) and isinstance(other, Const) and one != other


def _side_by_side(step: model.Step, diagnostics: Collector) -> None:
    """Two calls of one entity at the same time, of which the second waits for the first for ever."""
    match step:
        case model.FanOut() if step.width != 1:
            for call in _calls(step.body):
                if not _varies(call.entity.key, _defined_in(step.body) | {step.each, step.at}):
                    message = (
                        f"every item of {quote(step.name or '')} calls {_shown(call.entity)} at the same time"
                    )
                    _note(message, call, [], diagnostics)
        case model.Parallel() | model.Race():
            _branches(step.branches, diagnostics)
        case _:
            pass


def _branches(branches: tuple[model.Branch, ...], diagnostics: Collector) -> None:
    inside = set[str]().union(*(_defined_in(branch.body) for branch in branches))
    first: dict[tuple[str, bytes], tuple[model.Branch, model.CallEntity]] = {}
    for branch in branches:
        for call in _calls(branch.body):
            if _varies(call.entity.key, inside):
                continue
            other, there = first.setdefault(_identity(call.entity), (branch, call))
            if other is not branch:
                related = [Related(span=there.entity.span, message=f"and here, in {quote(other.name)}")]
                message = f"{_shown(call.entity)} is called in two branches at the same time"
                _note(message, call, related, diagnostics)


def _note(message: str, call: model.CallEntity, related: list[Related], diagnostics: Collector) -> None:
    hint = "one after the other is as fast: an entity does one operation at a time"
    diagnostics.add("PD513", message, call.entity.span, hint=hint, related=related)


def _varies(key: Value, inside: set[str]) -> bool:
    """Whether a key depends on what is known inside the branches only."""
    return any(use.name in inside for use in names_of(key))


def _calls(block: model.Block) -> Iterator[model.CallEntity]:
    return (step for step in all_steps(block) if isinstance(step, model.CallEntity))


def _defined_in(block: model.Block) -> set[str]:
    """Names that mean something else in another branch, or for another item."""
    names = {"args", "error", "event", "index", "item", "result", "step"}
    for step in all_steps(block):
        if step.name is not None:
            names.add(step.name)
        if isinstance(step, model.FanOut | model.ForEach):
            names |= {step.each, step.at}
        elif isinstance(step, model.Loop):
            names.add(step.at)
    return names


def _shown(entity: model.EntityTarget) -> str:
    if isinstance(entity.key, Const):
        return quote(f"{entity.type}@{entity.key.value}")
    return f"the {entity.type} of this key" if entity.type else "this entity"
