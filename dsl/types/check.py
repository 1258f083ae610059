"""The types of whole documents: workflows, entities, tests."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.cases import Cases
from perdure.dsl.diagnostics import Collector, Diagnostic
from perdure.dsl.expr.ast import MapValue
from perdure.dsl.rules import endless
from perdure.dsl.rules.places import steps_of
from perdure.dsl.types.blocks import Blocks
from perdure.dsl.types.cases import note_cases
from perdure.dsl.types.catalog import EMPTY, Catalog, Document
from perdure.dsl.types.entities import Entities, EntityTypes
from perdure.dsl.types.kinds import DYN
from perdure.dsl.types.names import SCHEDULE, WORKFLOW, variables_type
from perdure.dsl.types.positions import Env


def check_types(
    document: Document, catalog: Catalog = EMPTY, *, strict: bool = False
) -> tuple[Diagnostic, ...]:
    """What the types say against a document. ``strict`` adds what is not known to be right."""
    diagnostics = Collector(document.file)
    note_types(document, catalog, diagnostics, strict=strict)
    return diagnostics.diagnostics()


def note_types(
    document: Document,
    catalog: Catalog,
    diagnostics: Collector,
    *,
    strict: bool = False,
) -> None:
    """The same, added to others."""
    if isinstance(document, Cases):
        note_cases(document, catalog, diagnostics)
        return
    entities = Entities(catalog)
    if isinstance(document, model.Entity):
        EntityTypes(document, catalog, entities.operation, diagnostics, strict=strict).check()
        return
    if strict:
        endless.check(document, diagnostics)
    checker = Blocks(document, catalog, entities.operation, diagnostics, strict=strict)
    checker.base = Env(None, input=checker.input, vars=variables_type(document.variables), workflow=WORKFLOW)
    _header(checker, document)
    checker.block(document.body, checker.base)


def _header(checker: Blocks, workflow: model.Workflow) -> None:
    start = Env(None, input=checker.input, workflow=WORKFLOW)
    checker.json(MapValue(workflow.tags), start)
    checker.limited(workflow.concurrency, start)
    for query in workflow.queries:
        checker.json(query.value, checker.base)
    for schedule in workflow.schedule:
        if schedule.input is not None:
            checker.json(schedule.input, Env(None, schedule=SCHEDULE))
            checker.given(
                schedule.input,
                checker.input,
                "the workflow's input",
                schedule.span,
                schema=workflow.input_schema,
            )
    for retry in workflow.retries:
        checker.retry(retry, checker.base)
    used = {each.function for each in steps_of(workflow) if isinstance(each, model.Use)}
    for function in workflow.functions:
        if function.name not in used:
            checker.block(function.body, Env(checker.base, args=DYN))
