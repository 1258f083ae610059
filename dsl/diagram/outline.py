"""What a picture of a workflow shows, before anything has a size: steps, what is in them, and their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from perdure.dsl import model
from perdure.dsl.diagram.words import (
    amount,
    at_once,
    bounds,
    brief,
    clause,
    lasting,
    said,
    target,
    time_limit,
    tolerance,
    undo,
)

MOST_STEPS = 400
"""With more steps than this a picture shows containers closed."""

Family: TypeAlias = Literal["work", "wait", "data", "flow", "repeat", "guard", "end", "fail"]
"""What a step is about; each has its colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A block inside a step, with what leads into it: a case, a branch, a clause."""

    label: str
    steps: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A step. ``title`` is its name or its word, ``text`` what it does, ``badges`` its bounds.

    ``rows`` are lanes side by side, one row below the other. ``ends``: nothing comes after it.
    ``back``: its lane is run again; ``many``: once an item. ``hidden``: the steps inside that are not shown.
    """

    path: str
    kind: str
    family: Family
    title: str
    text: str = ""
    badges: tuple[str, ...] = ()
    rows: tuple[tuple[Lane, ...], ...] = ()
    ends: bool = False
    back: bool = False
    many: bool = False
    optional: bool = False
    hidden: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A workflow's name and version, its summary, and its steps."""

    title: str
    summary: str
    steps: tuple[Shape, ...]


def outline(workflow: model.Workflow, *, most: int = MOST_STEPS) -> Outline:
    """What the picture of a workflow shows; with more than ``most`` steps, containers are closed."""
    steps = _block(workflow.body)
    if sum(map(_count, steps)) > most:
        steps = tuple(map(_closed, steps))
    return Outline(title=f"{workflow.name} {workflow.version}", summary=workflow.summary or "", steps=steps)


def lanes(shape: Shape) -> Iterator[Lane]:
    """The lanes of a step, row by row."""
    for row in shape.rows:
        yield from row


def _count(shape: Shape) -> int:
    return 1 + sum(_count(step) for lane in lanes(shape) for step in lane.steps)


def _closed(shape: Shape) -> Shape:
    if not shape.rows:
        return shape
    hidden = _count(shape) - 1
    return Shape(
        path=shape.path,
        kind=shape.kind,
        family=shape.family,
        title=shape.title,
        text=shape.text,
        badges=(*shape.badges, f"{hidden} {'step' if hidden == 1 else 'steps'} inside"),
        many=shape.many,
        optional=shape.optional,
        hidden=hidden,
    )


def _block(block: model.Block | None) -> tuple[Shape, ...]:
    return tuple(map(_shape, block.steps)) if block else ()


def _shape(step: model.Step) -> Shape:
    """A step as it is shown, with what all steps may have."""
    kind, family, text, badges, rows = _parts(step)
    named, word = step.name is not None, kind.replace("_", " ")
    guard = () if step.guard is None else (f"if {brief(step.guard)}",)
    return Shape(
        path=step.path,
        kind=kind,
        family=family,
        title=step.name if step.name is not None else word,
        text=f"{word}{text if text.startswith(',') else ' ' + text}".rstrip() if named else text,
        badges=(*guard, *(each for each in badges if each)),
        rows=tuple(row for row in rows if row),
        ends=isinstance(
            step, model.Return | model.Raise | model.ContinueAsNew | model.Break | model.Continue
        ),
        back=isinstance(step, model.ForEach | model.Loop),
        many=isinstance(step, model.FanOut),
        optional=step.guard is not None,
    )


_Parts: TypeAlias = "tuple[str, Family, str, Iterable[str], Iterable[tuple[Lane, ...]]]"


def _parts(step: model.Step) -> _Parts:
    """Kind, family, what it does, badges and rows of lanes."""
    match step:
        case model.Call():
            badges = [
                *bounds(step),
                said("queue", step.queue),
                at_once(step.concurrency),
                undo(step.compensate),
            ]
            return "call", "work", step.activity, badges, ()
        case model.Use():
            return "call", "flow", step.function, [*bounds(step), "function"], _one(step.body)
        case model.CallWorkflow():
            text = f"{step.workflow} {step.version or ''}".strip()
            return "call_workflow", "work", text, [*bounds(step), undo(step.compensate)], ()
        case model.StartWorkflow():
            text = f"{step.workflow} {step.version or ''}".strip()
            return "start_workflow", "work", text, [said("at", step.start_at)], ()
        case model.CallEntity():
            text = f"{target(step.entity)} {step.operation}"
            return "call_entity", "work", text, [time_limit(step.timeout), undo(step.compensate)], ()
        case model.SendEvent():
            return "send_event", "work", f"{step.event} to {brief(step.to)}", (), ()
        case model.SignalEntity():
            text = f"{target(step.entity)} {step.operation}"
            return "signal_entity", "work", text, [said("at", step.at)], ()
        case model.Cancel():
            return "cancel", "work", brief(step.instance), (), ()
        case model.Wait():
            until = f"until {brief(step.until)}" if step.until is not None else lasting(step.duration)
            return "wait", "wait", until, (), ()
        case model.WaitForEvent():
            return _wait_for_event(step)
        case model.Set():
            return "set", "data", ", ".join(name for name, _ in step.values), (), ()
        case model.NameValue():
            return "value", "data", brief(step.value), (), ()
        case model.Output():
            return "output", "data", brief(step.value), (), ()
        case model.Log():
            return "log", "data", f"{step.level}: {brief(step.message)}", (), ()
        case model.SetCustomStatus():
            return "set_custom_status", "data", brief(step.value), (), ()
        case model.Return():
            return "return", "end", brief(step.value), (), ()
        case model.Raise():
            error = step.error if isinstance(step.error, str) else brief(step.error)
            return "raise", "fail", error, (), ()
        case model.ContinueAsNew():
            kept = "" if step.carry_events else "events discarded"
            return "continue_as_new", "end", brief(step.input), [kept], ()
        case model.Break():
            return "break", "end", "", (), ()
        case model.Continue():
            return "continue", "end", "", (), ()
        case _:
            return _container(step)


def _container(step: model.Step) -> _Parts:
    match step:
        case model.Do():
            return "do", "flow", "", bounds(step), _one(step.body)
        case model.If():
            lanes = [_lane("then", step.then)]
            lanes += [_lane("else", step.otherwise)] if step.otherwise else []
            return "if", "flow", brief(step.condition), (), [tuple(lanes)]
        case model.Switch():
            lanes = [_lane(f"when {brief(case.when)}", case.body) for case in step.cases]
            lanes += [_lane("else", step.otherwise)] if step.otherwise else []
            return "switch", "flow", "", (), [tuple(lanes)]
        case model.Try():
            first = (_lane("try", step.body), *(_lane(clause(each), each.body) for each in step.catches))
            last = (_lane("finally", step.finally_),) if step.finally_ else ()
            return "try", "guard", "", bounds(step), [first, last]
        case model.Saga():
            stops = "stop when an undo fails" if step.on_failure == "stop" else ""
            return (
                "saga",
                "guard",
                ", undone in reverse if it fails",
                [time_limit(step.timeout), stops],
                _one(step.body),
            )
        case model.LockEntities():
            entities = step.entities
            text = ", ".join(map(target, entities)) if isinstance(entities, tuple) else brief(entities)
            return "lock_entities", "guard", text, [time_limit(step.timeout)], _one(step.body)
        case model.Parallel():
            badges = [time_limit(step.timeout), "collect" if step.on_failure == "collect" else ""]
            return "parallel", "flow", f", {len(step.branches)} branches", badges, [_branches(step.branches)]
        case model.Race():
            return (
                "race",
                "flow",
                ", the first to end decides",
                [time_limit(step.timeout)],
                [_branches(step.branches)],
            )
        case model.FanOut():
            badges = [
                f"width {amount(step.width)}",
                tolerance(step.on_failure),
                said("until", step.until),
                f"chunk {step.chunk}" if isinstance(step.chunk, int) else "",
                time_limit(step.timeout),
            ]
            return "fan_out", "repeat", brief(step.items), badges, _one(step.body, f"each {step.each}")
        case model.ForEach():
            badges = [said("limit", step.limit), time_limit(step.timeout)]
            return "for_each", "repeat", brief(step.items), badges, _one(step.body, f"each {step.each}")
        case model.Loop():
            every = "" if step.checkpoint_every is None else f"checkpoint every {step.checkpoint_every}"
            badges = [f"limit {amount(step.limit)}", every, time_limit(step.timeout)]
            return step.kind, "repeat", brief(step.condition), badges, _one(step.body)
        case _:
            raise AssertionError(f"{type(step).__name__} is no step")


def _wait_for_event(step: model.WaitForEvent) -> _Parts:
    badges = [
        "no timeout" if step.timeout is None else time_limit(step.timeout),
        said("count", step.count),
        said("until", step.until),
        said("correlate", step.correlate),
    ]
    rows = _one(step.on_timeout, "on timeout") if step.on_timeout and step.on_timeout.steps else ()
    return "wait_for_event", "wait", step.event, badges, rows


def _one(block: model.Block, label: str = "") -> tuple[tuple[Lane, ...], ...]:
    return ((_lane(label, block),),)


def _lane(label: str, block: model.Block) -> Lane:
    return Lane(label=label, steps=_block(block))


def _branches(branches: Iterable[model.Branch]) -> tuple[Lane, ...]:
    return tuple(_lane(each.name, each.body) for each in branches)
