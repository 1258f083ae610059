"""PD208, PD211, PD212: names are not reserved and hide nothing (rule 2 of the scope rules)."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.dsl import model
from perdure.dsl.decode_steps import DEFAULT_INDEX
from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.expr.functions import FUNCTIONS, NAMESPACES, TYPE_NAMES
from perdure.dsl.expr.functions import RESERVED as CEL_RESERVED
from perdure.dsl.rules.places import ROOTS, blocks
from perdure.dsl.schema import kinds
from perdure.dsl.source import Span

MODIFIERS = frozenset({"if", "timeout", "deadline", "retry", "output", "summary", "tags"})
NAMES = frozenset({*ROOTS, "event", "error", "result", "args", "step", "schedule", "state", "key", "index"})
TYPES = TYPE_NAMES | {"duration", "timestamp", "dyn", "google"}
RESERVED = MODIFIERS | NAMES | TYPES | NAMESPACES | CEL_RESERVED | {*kinds("task"), *kinds("item")}
"""Words that no step and no item may have as its name."""


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes reserved names, and names that an enclosing block has too, wherever it has them."""
    for function in workflow.functions:
        _block(function.body, {}, diagnostics)
    _block(workflow.body, {}, diagnostics)


def check_entity(entity: model.Entity, diagnostics: Collector) -> None:
    """Notes reserved names among those of ``let``."""
    for operation in entity.operations:
        for local in operation.let:
            _reserved(local.name, local.span, diagnostics)


def _block(block: model.Block, outer: Mapping[str, Span], diagnostics: Collector) -> None:
    names = dict(outer)
    own: dict[str, Span] = {}
    for step in block.steps:
        if step.name is None:
            continue
        span = step.name_span or step.span
        _reserved(step.name, span, diagnostics)
        if step.name in own:
            _clash("PD212", f"the name {quote(step.name)} stands twice", span, own[step.name], diagnostics)
        elif step.name in outer:
            _hides(step.name, span, outer[step.name], diagnostics)
        own.setdefault(step.name, span)
    names |= own
    for step in block.steps:
        if isinstance(step, model.Use):
            continue  # its names see none of those around, and are checked where the function is declared
        inside = _items(step, names, diagnostics)
        for inner in blocks(step):
            _block(inner, inside, diagnostics)


def _items(step: model.Step, names: Mapping[str, Span], diagnostics: Collector) -> Mapping[str, Span]:
    """The names inside a step: those around, and its item's and counter's."""
    if not isinstance(step, model.FanOut | model.ForEach | model.Loop):
        return names
    inside, place = dict(names), step.name_span or step.span
    found = [(step.at, step.at_span or place)] if step.at != DEFAULT_INDEX else []
    found += [] if isinstance(step, model.Loop) else [(step.each, step.each_span or place)]
    for name, span in found:
        _reserved(name, span, diagnostics)
        if name in inside:
            _hides(
                name, span, inside[name], diagnostics, hint="name the item with 'each', the counter with 'at'"
            )
        inside.setdefault(name, span)
    return inside


def _reserved(name: str, span: Span, diagnostics: Collector) -> None:
    if name in RESERVED:
        message = f"{quote(name)} is a reserved word{_because(name)}; choose another name"
        diagnostics.add("PD208", message, span)


def _because(name: str) -> str:
    """What a word that steps are likely to be called is reserved for."""
    if name in CEL_RESERVED:
        return " of CEL, the language of expressions"
    if name in TYPES:
        return ": in expressions it is a type"
    if name in NAMESPACES:
        return f": in expressions it is the beginning of functions, such as {_function_of(name)}"
    return ": expressions read something else under it" if name in NAMES else ""


def _function_of(namespace: str) -> str:
    return min((each for each in FUNCTIONS if each.startswith(f"{namespace}.")), default=f"{namespace}.bind")


def _hides(name: str, span: Span, first: Span, diagnostics: Collector, hint: str | None = None) -> None:
    _clash("PD211", f"{quote(name)} hides the name of an outer block", span, first, diagnostics, hint)


def _clash(
    code: str, message: str, span: Span, first: Span, diagnostics: Collector, hint: str | None = None
) -> None:
    message = f"{message}; first on line {first.start.line}"
    diagnostics.add(code, message, span, hint=hint, related=[Related(span=first, message="first here")])
