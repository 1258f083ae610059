"""Types of test documents: what a case gives to the workflow that it tests."""

from __future__ import annotations

from perdure.dsl.cases import Case, Cases, RaiseEvent
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.model import Json, Workflow
from perdure.dsl.source import Span
from perdure.dsl.types.catalog import Catalog
from perdure.dsl.types.json_schema import type_of_json, type_of_schema
from perdure.dsl.types.kinds import Map, Object, Type, describe, fits, misfit


def note_cases(document: Cases, catalog: Catalog, diagnostics: Collector) -> None:
    """Notes inputs and payloads of events that the workflow's schemas can never accept."""
    workflow = catalog.workflows.get(document.workflow)
    if workflow is None:
        return
    for case in document.cases:
        _case(case, workflow, diagnostics)


def _case(case: Case, workflow: Workflow, diagnostics: Collector) -> None:
    if workflow.input_schema is not None:
        what = f"the input of case {quote(case.name)}"
        _given(case.input, type_of_schema(workflow.input_schema), what, case.name_span, diagnostics)
    schemas = {each.name: each.schema for each in workflow.events if each.schema is not None}
    for moment in case.timeline:
        if isinstance(moment, RaiseEvent) and moment.event in schemas:
            what = f"the payload of {quote(moment.event)}"
            _given(moment.payload, type_of_schema(schemas[moment.event]), what, moment.span, diagnostics)


def _given(value: Json, wanted: Type, what: str, place: Span, diagnostics: Collector) -> None:
    given = type_of_json(value)
    if fits(given, wanted):
        return
    message = f"{what} must be {describe(wanted)}, not {describe(given)}"
    if isinstance(given, Object) and isinstance(wanted, Map | Object):
        message = f"{what} {_why(misfit(given, wanted) or '', given, wanted)}"
    diagnostics.add("PD305", message, place)


def _why(name: str, given: Object, wanted: Map | Object) -> str:
    """What is wrong with the field because of which an object does not fit."""
    if name not in given.fields:
        return f"needs {quote(name)}"
    needed = wanted.value if isinstance(wanted, Map) else wanted.fields.get(name, wanted.rest)
    if needed is None:
        return f"has a field {quote(name)} that its schema does not have"
    return f"needs {describe(needed)} as {quote(name)}, not {describe(given.fields[name])}"
