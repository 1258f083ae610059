"""PD501, PD815, PD816: what documents say of each other, as far as the others are at hand.

What is asked is first looked up in the asking document's own file, then in the others. What is in none of
them may be deployed elsewhere, so nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

from perdure.dsl.cases import Case, Cases, RaiseEvent
from perdure.dsl.diagnostics import Diagnostic, Related, quote, severity_of
from perdure.dsl.model import (
    Call,
    CallEntity,
    CallWorkflow,
    Entity,
    Signal,
    SignalEntity,
    StartWorkflow,
    WaitForEvent,
    Workflow,
)
from perdure.dsl.rules.places import all_steps, steps_of
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest
from perdure.dsl.versions import parse_range, parse_version

Document: TypeAlias = Workflow | Entity | Cases
_Named = TypeVar("_Named", Workflow, Entity)
Found: TypeAlias = Iterator[Diagnostic]


def check_across(documents: Sequence[Document], *, between_files: bool = False) -> Found:
    """What does not fit together: within one file, or ``between_files`` only what another file says."""
    known = _Known(documents, between_files=between_files)
    for each in documents:
        match each:
            case Workflow():
                yield from _workflow(each, known)
            case Entity():
                for operation in each.operations:
                    for signal in operation.signals:
                        yield from _asked(signal, known.entities(signal.entity.type, each.file), each.file)
            case Cases():
                yield from _cases(each, known)


class _Known:
    """The named documents at hand."""

    def __init__(self, documents: Sequence[Document], *, between_files: bool) -> None:
        self._between_files = between_files
        self._workflows = _by_name([each for each in documents if isinstance(each, Workflow)])
        self._entities = _by_name([each for each in documents if isinstance(each, Entity)])

    def workflows(self, name: str, file: str) -> list[Workflow]:
        """All versions of a workflow that a document of ``file`` may mean."""
        return self._meant(self._workflows.get(name, []), file)

    def entities(self, name: str, file: str) -> list[Entity]:
        """All versions of an entity that a document of ``file`` may mean."""
        return self._meant(self._entities.get(name, []), file)

    def _meant(self, found: list[_Named], file: str) -> list[_Named]:
        own = [each for each in found if each.file == file]
        if self._between_files:
            # What is in its own file was checked when that was loaded.
            return [] if own else found
        return own


def _by_name(documents: list[_Named]) -> dict[str, list[_Named]]:
    found: dict[str, list[_Named]] = {}
    for each in documents:
        found.setdefault(each.name, []).append(each)
    return found


def _diagnostic(
    code: str, message: str, span: Span, file: str, hint: str | None, about: Workflow | Entity
) -> Diagnostic:
    other = about.file if about.file != file else ""
    related = Related(span=about.name_span, message=f"{about.name} {about.version}", file=other)
    return Diagnostic(
        code=code,
        severity=severity_of(code),
        message=message,
        span=span,
        file=file,
        hint=hint,
        related=(related,),
    )


# Workflows and entities -------------------------------------------------------------------------


def _workflow(workflow: Workflow, known: _Known) -> Found:
    for step in steps_of(workflow):
        match step:
            case CallEntity() | SignalEntity():
                yield from _asked(step, known.entities(step.entity.type, workflow.file), workflow.file)
            case CallWorkflow(version=str()) | StartWorkflow(version=str()):
                yield from _version(step, known.workflows(step.workflow, workflow.file), workflow.file)
            case _:
                pass


def _asked(call: CallEntity | SignalEntity | Signal, entities: list[Entity], file: str) -> Found:
    """An operation that none of the entity's versions has."""
    if not entities:
        return
    newest, target = entities[-1], call.entity
    named = {operation.name for entity in entities for operation in entity.operations}
    if call.operation not in named:
        near = suggest(call.operation, named)
        hint = f"did you mean {quote(near)}?" if near else f"it has: {', '.join(sorted(named))}"
        message = f"the entity {target.type} has no operation {quote(call.operation)}"
        yield _diagnostic("PD501", message, call.operation_span, file, hint, newest)


def _version(call: CallWorkflow | StartWorkflow, workflows: list[Workflow], file: str) -> Found:
    versions = [numbers for each in workflows if (numbers := parse_version(each.version)) is not None]
    try:
        wanted = parse_range(call.version or "")
    except ValueError:
        return
    if versions and not any(numbers in wanted for numbers in versions):
        newest = workflows[-1]
        message = (
            f"{newest.name} is here in version {newest.version}, which {quote(call.version or '')} leaves out"
        )
        hint = "right if the other version is deployed already; else change the range"
        yield _diagnostic("PD815", message, call.version_span or call.span, file, hint, newest)


# Tests ------------------------------------------------------------------------------------------


def _cases(cases: Cases, known: _Known) -> Found:
    workflows = known.workflows(cases.workflow, cases.file)
    if not workflows:
        return
    workflow = workflows[-1]
    calls = {step.activity for step in steps_of(workflow) if isinstance(step, Call)}
    children = any(isinstance(step, CallWorkflow) for step in all_steps(workflow.body))
    events = {step.event for step in steps_of(workflow) if isinstance(step, WaitForEvent)}
    for case in cases.cases:
        if not children:
            yield from _activities(case, calls, workflow, cases.file)
        for moment in case.timeline:
            if isinstance(moment, RaiseEvent) and moment.event not in events:
                message = f"{workflow.name} waits for no event {quote(moment.event)}"
                hint = _near(moment.event, events)
                yield _diagnostic("PD816", message, moment.span, cases.file, hint, workflow)


def _activities(case: Case, calls: set[str], workflow: Workflow, file: str) -> Found:
    for mock in case.mocks:
        if mock.activity not in calls:
            message = f"{workflow.name} never calls {quote(mock.activity)}"
            yield _diagnostic("PD816", message, mock.span, file, _near(mock.activity, calls), workflow)
    for name, count in case.expect.called:
        if name not in calls and count > 0:
            message = f"{workflow.name} never calls {quote(name)}"
            yield _diagnostic("PD816", message, case.expect.span, file, _near(name, calls), workflow)


def _near(name: str, known: set[str]) -> str | None:
    near = suggest(name, known)
    return f"did you mean {quote(near)}?" if near else None
