"""PD601: version ranges can be read."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.rules.places import steps_of
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest
from perdure.dsl.versions import parse_range

CHOICES = ("latest", "pinned")
"""What ``continue_as_new`` knows beside ranges."""


def check(workflow: model.Workflow, diagnostics: Collector) -> None:
    """Notes every ``version`` of a step that is no version and no range."""
    for step in steps_of(workflow):
        if diagnostics.full:
            return
        match step:
            case model.CallWorkflow(version=str(version)) | model.StartWorkflow(version=str(version)):
                _range(version, step.version_span or step.span, diagnostics)
            case model.ContinueAsNew(version=version) if version not in CHOICES:
                _range(version, step.version_span or step.span, diagnostics, CHOICES)
            case _:
                pass


def _range(version: str, span: Span, diagnostics: Collector, words: tuple[str, ...] = ()) -> None:
    try:
        parse_range(version)
    except ValueError as error:
        near = suggest(version, words)
        hint = f"did you mean {quote(near)}?" if near else None
        if version in CHOICES and not words:
            hint = "leave 'version' out for the newest of the major that was there at deploy"
        diagnostics.add("PD601", f"{quote(version)}: {error}", span, hint=hint)
