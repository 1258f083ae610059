"""PD233, PD234: ``checkpoint_every`` stands where the loop can be gone on with in a new generation.

A new generation has the input and the variables, and begins in the loop: what was named before is gone.
"""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr.names import names_of
from perdure.dsl.rules.places import Kind, Place, places, steps_of
from perdure.dsl.source import Span


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes checkpoints in inner blocks, and what reads a name from before a loop with checkpoints."""
    loops = {index for index, step in enumerate(workflow.body.steps) if _has_checkpoints(step)}
    directly = set(map(id, workflow.body.steps))
    for step in steps_of(workflow):
        if _has_checkpoints(step) and id(step) not in directly:
            hint = "put the loop directly below the workflow's 'do', or use 'continue_as_new' there"
            message = f"'checkpoint_every' of {quote(step.name or '')} in an inner block"
            diagnostics.add("PD233", message, step.name_span or step.span, hint=hint)
    if loops:
        for place in places(workflow):
            if diagnostics.full:
                return
            _place(place, workflow, loops, diagnostics)


def _has_checkpoints(step: model.Step) -> bool:
    return isinstance(step, model.Loop) and step.checkpoint_every is not None


def _place(place: Place, workflow: model.Workflow, loops: set[int], diagnostics: Collector) -> None:
    index = _top(place.step)
    if index is None or place.value is workflow.body.steps[index].guard:
        return
    last = max((loop for loop in loops if loop <= index), default=None)
    if last is None:
        return
    loop = workflow.body.steps[last]
    for use in names_of(place.value):
        symbol = place.scope.get(use.name)
        before = _top(symbol.step) if symbol is not None and symbol.kind is Kind.STEP else None
        if before is not None and before < last:
            message = f"{quote(use.name)} may be gone here: a checkpoint of {quote(loop.name or '')} drops it"
            name = use.name
            hint = f"keep it with 'set: {{{name}: ${{ {name} }}}}' before the loop, and read vars.{name}"
            span = Span.at(use.position.line, use.position.column, use.length)
            related = [Related(span=loop.name_span or loop.span, message="the loop with 'checkpoint_every'")]
            diagnostics.add("PD234", message, span, hint=hint, related=related)


def _top(step: model.Step | None) -> int | None:
    """The index of the item of the workflow's own block in which a step stands."""
    top, _, rest = ("" if step is None else step.path).partition("/")
    return int(rest.partition("/")[0]) if top == "do" else None
