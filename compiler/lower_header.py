"""A workflow's header, around the instructions of its body."""

from __future__ import annotations

from typing import Any

from perdure.compiler import ir
from perdure.compiler.constants import text_value
from perdure.compiler.lower_saga import FullLowering
from perdure.compiler.scope import Scope
from perdure.compiler.slots import with_copies
from perdure.dsl import model


def lower(workflow: model.Workflow) -> ir.Program:
    """The Program of a document without errors."""
    code, steps = FullLowering(workflow).code()
    scope = Scope()
    return ir.Program(
        ir=ir.IR_VERSION,
        name=workflow.name,
        version=workflow.version,
        code=with_copies(code, steps),
        steps=steps,
        variables=by_name({variable.name: variable.initial for variable in workflow.variables}),
        events=by_name({event.name: event.schema for event in workflow.events}),
        errors=by_name(
            {
                error.name: ir.ErrorType(retryable=error.retryable, status=error.status, schema=error.schema)
                for error in workflow.errors
            }
        ),
        input_schema=workflow.input_schema,
        output_schema=workflow.output_schema,
        tags=by_name({name: scope.code(text_value(value)) for name, value in workflow.tags}),
        queries=by_name({query.name: scope.code(query.value) for query in workflow.queries}),
        concurrency=_concurrency(workflow.concurrency, scope),
        timeout=workflow.timeout,
        limits=_limits(workflow.limits),
        retention=_retention(workflow.retention),
        schedules=tuple(_schedule(each, scope) for each in workflow.schedule),
        file=workflow.file,
        places=by_name({name: tuple(span.start) for name, span in workflow.key_spans}),
    )


def by_name(entries: dict[str, Any]) -> dict[str, Any]:
    """In the order of names: the order of these maps means nothing, so it must not change a digest."""
    return dict(sorted(entries.items()))


def _concurrency(limit: model.KeyLimit | None, scope: Scope) -> ir.KeyLimit | None:
    if limit is None:
        return None
    count = limit.limit if isinstance(limit.limit, int) else scope.code(limit.limit)
    return ir.KeyLimit(key=scope.code(limit.key), limit=count)


def _limits(limits: model.Limits | None) -> ir.Limits | None:
    if limits is None:
        return None
    return ir.Limits(history_events=limits.history_events, on_exceed=limits.on_exceed)


def _retention(retention: model.Retention | None) -> ir.Retention | None:
    if retention is None:
        return None
    return ir.Retention(
        completed=retention.completed, failed=retention.failed, generations=retention.generations
    )


def _schedule(schedule: model.Schedule, scope: Scope) -> ir.Schedule:
    line, column = schedule.span.start
    return ir.Schedule(
        cron=schedule.cron,
        timezone=schedule.timezone,
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        input=None if schedule.input is None else scope.code(schedule.input, schedule="schedule"),
        line=line,
        column=column,
    )
