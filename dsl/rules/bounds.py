"""PD407, PD809: bounds that cannot hold together, or that another one makes useless."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.duration import format_duration
from perdure.dsl.rules.fan_outs import written
from perdure.dsl.rules.places import blocks
from perdure.dsl.source import Span


@dataclass(frozen=True, slots=True)
class _Around:
    """The shortest bound of what stands around a step."""

    longest: int
    words: str
    span: Span


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes loops that cannot end within their limit, and bounds that never take effect."""
    around = None
    if workflow.timeout is not None:
        around = _Around(workflow.timeout, "the workflow's timeout", workflow.name_span)
        if workflow.timeout == 0:
            message = "the workflow's 'timeout' leaves no time at all"
            diagnostics.add("PD809", message, workflow.name_span, hint="leave it out for no bound")
            return
    _block(workflow.body, around, diagnostics)


def _block(block: model.Block, around: _Around | None, diagnostics: Collector) -> None:
    for step in block.steps:
        if diagnostics.full:
            return
        _within(step, diagnostics)
        if around is not None:
            _against(step, around, diagnostics)
        for inner in blocks(step):
            _block(inner, _inside(step, inner, around), diagnostics)


def _inside(step: model.Step, block: model.Block, around: _Around | None) -> _Around | None:
    """The bound of a block in a step; none of the step's reach ``catch``, ``finally`` and ``on_timeout``."""
    if isinstance(step, model.WaitForEvent | model.LockEntities):
        return around
    if isinstance(step, model.Try) and block is not step.body:
        return around
    found = [(length, key) for key, length in _bounds(step).items()]
    if not found:
        return around
    shortest, key = min(found)
    if around is not None and around.longest <= shortest:
        return around
    return _Around(shortest, f"{quote(key)} of {quote(step.name or '')}", step.name_span or step.span)


def _bounds(step: model.Step) -> dict[str, int]:
    """The constant bounds of a step."""
    keys = ("timeout", "deadline")
    found = {key: getattr(step, key, None) for key in keys}
    return {key: length for key, length in found.items() if isinstance(length, int)}


def _against(step: model.Step, around: _Around, diagnostics: Collector) -> None:
    """A wait or bound that is longer than what stands around allows."""
    lengths = _bounds(step)
    if isinstance(step, model.Call):
        # It may be the header's default, which is for every call.
        lengths.pop("timeout", None)
    if isinstance(step, model.Wait) and isinstance(step.duration, int):
        lengths = {"wait": step.duration}
    for key, length in lengths.items():
        if length > around.longest:
            message = (
                f"{quote(key)} of {format_duration(length)} is longer than {around.words}, "
                f"{format_duration(around.longest)}"
            )
            related = [Related(span=around.span, message="this ends first")]
            hint = "the longer one never takes effect"
            if key == "wait":
                hint = "the wait never ends: perdure.Timeout comes first"
            diagnostics.add("PD809", message, step.name_span or step.span, hint=hint, related=related)


def _within(step: model.Step, diagnostics: Collector) -> None:
    """What the keys of one step say of each other."""
    span, bounds = step.name_span or step.span, _bounds(step)
    # To wait for nothing longer than no time is a way to ask whether it is there already.
    if 0 in bounds.values() and not isinstance(step, model.WaitForEvent | model.LockEntities):
        key = next(key for key, length in bounds.items() if length == 0)
        hint = "this always fails with perdure.Timeout; leave the key out for no bound"
        diagnostics.add("PD809", f"{quote(key)} leaves no time at all", span, hint=hint)
        return
    if "timeout" in bounds and bounds.get("deadline", bounds["timeout"]) < bounds["timeout"]:
        message = f"'timeout' of {format_duration(bounds['timeout'])} is longer than the 'deadline'"
        hint = "'timeout' is for one attempt, 'deadline' for all of them"
        diagnostics.add("PD809", message, span, hint=hint)
    match step:
        case model.Call(heartbeat=int(beat), timeout=int(timeout)) if beat >= timeout:
            message = f"'heartbeat' of {format_duration(beat)} is not shorter than 'timeout'"
            diagnostics.add("PD809", message, span, hint="the attempt ends before a heartbeat is missed")
        case model.ForEach(limit=int(limit)) if (items := written(step.items)) and len(items) > limit:
            message = f"the list has {len(items)} items, more than 'limit: {limit}' allows"
            diagnostics.add("PD407", message, span, hint="this always fails with perdure.LimitExceeded")
        case model.Loop(checkpoint_every=int(every), limit=int(limit)) if every >= limit:
            message = f"'checkpoint_every: {every}' comes after 'limit: {limit}'"
            diagnostics.add("PD809", message, span, hint="the loop ends before its first checkpoint")
        case model.FanOut(until=until, chunk=int()) if until is not None:
            hint = "'until' is tested after each item, which chunks do not report one by one"
            diagnostics.add("PD407", "'until' does not go together with chunks", span, hint=hint)
        case _:
            pass
