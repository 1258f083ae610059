"""An entity's operations to the expressions that they evaluate."""

from __future__ import annotations

from operator import itemgetter

from perdure.compiler import ir
from perdure.compiler.constants import text_value
from perdure.compiler.lower_header import by_name
from perdure.compiler.scope import Scope
from perdure.dsl import model
from perdure.dsl.expr.ast import Value


def lower_entity(entity: model.Entity) -> ir.EntityProgram:
    """The Program of a document without errors."""
    line, column = entity.name_span.start
    return ir.EntityProgram(
        ir=ir.IR_VERSION,
        name=entity.name,
        version=entity.version,
        state_schema=entity.state_schema,
        initial=entity.initial,
        operations=by_name({each.name: _operation(each) for each in entity.operations}),
        file=entity.file,
        line=line,
        column=column,
    )


def _operation(operation: model.Operation) -> ir.Operation:
    scope = Scope(ir.ENTITY_ENVIRONMENT)
    let = []
    for local in operation.let:
        let.append((local.name, scope.code(local.value)))
        scope.declare(local.name)
    line, column = operation.span.start
    return ir.Operation(
        readonly=operation.readonly,
        input_schema=operation.input_schema,
        let=tuple(let),
        require=tuple(_requirement(each, scope) for each in operation.require),
        fields=_fields(operation.set, scope),
        replacement=_optional(None if isinstance(operation.set, tuple) else operation.set, scope),
        returns=_optional(operation.returns, scope),
        signals=tuple(_signal(each, scope) for each in operation.signals),
        launches=tuple(_launch(each, scope) for each in operation.launches),
        delete=operation.delete,
        line=line,
        column=column,
    )


def _optional(value: Value | None, scope: Scope) -> ir.Code | None:
    return None if value is None else scope.code(value)


def _fields(
    values: tuple[tuple[str, Value], ...] | Value | None, scope: Scope
) -> tuple[tuple[str, ir.Code], ...]:
    """In the order of names: all see the old state, so their order means nothing."""
    if not isinstance(values, tuple):
        return ()
    return tuple((name, scope.code(value)) for name, value in sorted(values, key=itemgetter(0)))


def _requirement(guard: model.Guard, scope: Scope) -> ir.Requirement:
    line, column = guard.span.start
    message = _optional(guard.message, scope)
    return ir.Requirement(
        check=scope.code(guard.check), error=guard.error, message=message, line=line, column=column
    )


def _signal(signal: model.Signal, scope: Scope) -> ir.OutgoingSignal:
    line, column = signal.span.start
    target = ir.Target(type=signal.entity.type, key=scope.code(text_value(signal.entity.key)))
    return ir.OutgoingSignal(
        condition=_optional(signal.guard, scope),
        entity=target,
        operation=signal.operation,
        arguments=_optional(signal.arguments, scope),
        line=line,
        column=column,
    )


def _launch(launch: model.Launch, scope: Scope) -> ir.Launch:
    line, column = launch.span.start
    return ir.Launch(
        condition=_optional(launch.guard, scope),
        workflow=launch.workflow,
        arguments=_optional(launch.arguments, scope),
        line=line,
        column=column,
    )
