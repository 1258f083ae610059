"""PD210, PD213, PD214, PD215: statements stand where they may (rule 3 of the scope rules)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.rules.places import all_steps, blocks
from perdure.dsl.source import Span


@dataclass(frozen=True, slots=True)
class _Around:
    """What a statement stands in: the texts name the nearest such thing."""

    concurrent: str | None = None
    unwinding: str | None = None
    pinned: str | None = None
    """What cannot be carried into another generation."""
    loop: bool = False
    cut: str | None = None
    """Why a loop further out cannot be left."""
    call: Span | None = None
    """Where the function is called, if that thing is outside of a function."""


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes statements that would write, leave or restart what they must not."""
    for function in workflow.functions:
        _block(function.body, _Around(), diagnostics)
    _block(workflow.body, _Around(), diagnostics)


def _block(block: model.Block, around: _Around, diagnostics: Collector) -> None:
    for step in block.steps:
        _step(step, around, diagnostics)
        last = step.finally_ if isinstance(step, model.Try) else None
        for inner in blocks(step):
            _block(inner, _inside(step, around, unwinding=inner is last), diagnostics)


def _inside(step: model.Step, around: _Around, *, unwinding: bool) -> _Around:
    if unwinding:
        where = f"'finally' of {quote(step.name or '')}"
        return replace(around, unwinding=where, loop=False, cut=_cut(around, where), call=None)
    match step:
        case model.ForEach() | model.Loop():
            return replace(around, loop=True, cut=None)
        case model.FanOut() | model.Parallel() | model.Race():
            kind = {model.FanOut: "fan_out", model.Parallel: "parallel", model.Race: "race"}[type(step)]
            where = f"{kind} {quote(step.name or '')}"
            return replace(around, concurrent=where, loop=False, cut=_cut(around, where), call=None)
        case model.LockEntities():
            return replace(around, pinned=f"lock_entities {quote(step.name or '')}", call=None)
        case model.Saga() if any(_undone(inner) for inner in all_steps(step.body)):
            where = f"saga {quote(step.name or '')}, which has compensations"
            return replace(around, pinned=where, call=None)
        case model.Use():
            # A function's 'break' cannot see the loops around its call.
            return replace(around, loop=False, cut=None, call=step.function_span)
        case _:
            return around


def _cut(around: _Around, where: str) -> str | None:
    return where if around.loop else around.cut


def _undone(step: model.Step) -> bool:
    return (
        isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate is not None
    )


def _step(step: model.Step, around: _Around, diagnostics: Collector) -> None:
    related = [Related(span=around.call, message="the function is called here")] if around.call else []
    branch = "item" if (around.concurrent or "").startswith("fan_out") else "branch"
    match step:
        case model.Set() if around.concurrent:
            message = f"'set' inside {around.concurrent}"
            hint = f"return a value from the {branch} instead"
            diagnostics.add("PD210", message, step.span, hint=hint, related=related)
        case model.Return() if around.concurrent or around.unwinding:
            message = f"'return' inside {around.unwinding or around.concurrent}"
            hint = "return after it, depending on its value"
            diagnostics.add("PD213", message, step.span, hint=hint, related=related)
        case model.Break() | model.Continue() if not around.loop:
            word = "break" if isinstance(step, model.Break) else "continue"
            message = f"{quote(word)} outside a loop"
            if around.cut:
                message = f"{quote(word)} inside {around.cut}, of a loop around it"
            diagnostics.add("PD214", message, step.span)
        case model.ContinueAsNew() if around.concurrent or around.unwinding or around.pinned:
            message = f"'continue_as_new' inside {around.unwinding or around.concurrent or around.pinned}"
            hint = "do it after, depending on its value"
            diagnostics.add("PD215", message, step.span, hint=hint, related=related)
        case _:
            return
