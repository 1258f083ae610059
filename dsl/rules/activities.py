"""PD701, PD702, PD703: activities exist, take what they are given, and are not hidden by functions.

Not part of ``check``: only some who load a document know the activities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, Diagnostic, quote
from perdure.dsl.expr.ast import Const, Embedded, MapValue, Value
from perdure.dsl.rules.places import steps_of
from perdure.dsl.suggest import suggest


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of an activity, without its context, and those of them that have no default."""

    names: tuple[str, ...]
    required: frozenset[str]


def check_activities(workflow: model.Workflow, known: Mapping[str, Signature]) -> tuple[Diagnostic, ...]:
    """A diagnostic for every call of an activity that is not known, or that cannot take its ``with``."""
    diagnostics = Collector(workflow.file)
    for function in workflow.functions:
        if function.name in known:
            message = f"the function {quote(function.name)} hides the activity of that name"
            diagnostics.add("PD703", message, function.span, hint="give the function another name")
    for step in steps_of(workflow):
        if diagnostics.full:
            break
        if not isinstance(step, model.Call):
            continue
        signature = known.get(step.activity)
        if signature is None:
            near = suggest(step.activity, known)
            hint = f"did you mean {quote(near)}?" if near else None
            message = f"no activity is registered as {quote(step.activity)}"
            diagnostics.add("PD701", message, step.activity_span, hint=hint)
        else:
            _check_arguments(step, signature, diagnostics)
    return diagnostics.diagnostics()


def _check_arguments(step: model.Call, signature: Signature, diagnostics: Collector) -> None:
    name, hint, span = quote(step.activity), None, step.activity_span
    if step.arguments is not None and not signature.names:
        message = f"{name} takes no argument, but the step has 'with'"
    elif step.arguments is None and signature.required:
        message = f"{name} needs {_listed(signature.required)}, but the step has no 'with'"
    elif step.arguments is None or len(signature.names) == 1 or isinstance(step.arguments, Embedded):
        return
    elif (given := _keys(step.arguments)) is None:
        span = step.arguments_span or span
        message, hint = f"{name} takes several arguments", f"'with' is a map of {_listed(signature.names)}"
    elif unknown := sorted(given - set(signature.names)):
        span = next((each.span for each in step.argument_places if each.name == unknown[0]), span)
        message = f"{name} has no parameter {quote(unknown[0])}"
        near = suggest(unknown[0], signature.names)
        hint = f"did you mean {quote(near)}?" if near else f"it has {_listed(signature.names)}"
    elif missing := signature.required - given:
        message = f"{name} needs {_listed(missing)} too"
    else:
        return
    diagnostics.add("PD702", message, span, hint=hint)


def _keys(arguments: Value) -> set[str] | None:
    """The keys of a map that is written out; None for anything else."""
    if isinstance(arguments, MapValue):
        return {key for key, _ in arguments.entries}
    if isinstance(arguments, Const) and isinstance(arguments.value, dict):
        return set(arguments.value)
    return None


def _listed(names: tuple[str, ...] | frozenset[str]) -> str:
    return ", ".join(map(quote, names if isinstance(names, tuple) else sorted(names)))
