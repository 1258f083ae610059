"""PD813: calls and waits that nothing bounds, which only ``--strict`` asks about."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.rules.places import blocks


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes each call and each wait for an event that neither its own keys nor what stands around end."""
    bounded = workflow.timeout is not None
    used: set[str] = set()
    _block(workflow.body, bounded, used, diagnostics)
    for function in workflow.functions:
        if function.name not in used:
            _block(function.body, bounded, used, diagnostics)


def _block(block: model.Block, bounded: bool, used: set[str], diagnostics: Collector) -> None:
    for step in block.steps:
        _own(step, bounded, diagnostics)
        if isinstance(step, model.Use):
            used.add(step.function)
        if isinstance(step, model.Call | model.CallWorkflow | model.CallEntity) and step.compensate:
            # What undoes and what cleans up runs after a bound around it has passed.
            _own(step.compensate.action, False, diagnostics)
        for inner in blocks(step):
            _block(inner, _inside(step, inner, bounded), used, diagnostics)


def _own(step: model.Step, bounded: bool, diagnostics: Collector) -> None:
    if bounded or _is_bounded(step):
        return
    match step:
        case model.Call():
            message = f"{step.activity} may take for ever: neither 'timeout' nor 'deadline' bounds it"
            hint = "add 'timeout: 1m' for one attempt, or 'deadline' for all of them"
            diagnostics.add("PD813", message, step.activity_span, hint=hint)
        case model.WaitForEvent():
            message = f"this may wait for {quote(step.event)} for ever"
            hint = "give it a timeout, such as '30d'"
            diagnostics.add("PD813", message, step.event_span or step.span, hint=hint)
        case _:
            pass


def _is_bounded(step: model.Step) -> bool:
    """Whether keys of the step itself end it."""
    return any(getattr(step, key, None) is not None for key in ("timeout", "deadline"))


def _inside(step: model.Step, block: model.Block, bounded: bool) -> bool:
    """Whether a block in a step surely ends, because of what stands around it."""
    match step:
        case model.Try() if block is step.finally_:
            return False
        case model.Try() if block is not step.body:
            return bounded
        case model.WaitForEvent() | model.LockEntities():
            return bounded  # their timeout is for the event, and for getting the locks
        case model.Race() if any(_ends(each.body) for each in step.branches if each.body is not block):
            return True
        case _:
            return bounded or _is_bounded(step)


def _ends(block: model.Block) -> bool:
    """Whether a branch begins with a wait that ends, and so is no slower than what is called after it."""
    first = block.steps[0] if block.steps else None
    return isinstance(first, model.Wait) or (isinstance(first, model.WaitForEvent) and _is_bounded(first))
