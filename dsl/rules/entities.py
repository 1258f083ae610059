"""PD503, PD504, PD806, PD809: operations of an entity that contradict themselves or its state."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr.names import names_of
from perdure.dsl.rules.entity_places import entity_places
from perdure.dsl.rules.errors import check_name
from perdure.dsl.suggest import suggest


def check(entity: model.Entity, diagnostics: Collector) -> None:
    """Notes what an operation says that it cannot do."""
    keys = _keys(entity)
    for operation in entity.operations:
        if diagnostics.full:
            return
        _readonly(operation, diagnostics)
        if isinstance(operation.set, tuple):
            _set(operation, operation.set, entity, keys, diagnostics)
        if operation.delete and operation.set is not None:
            message = f"'set' has no effect in {quote(operation.name)}: 'delete' removes the entity"
            diagnostics.add("PD809", message, operation.span, hint="take one of the two out")
        for guard in operation.require:
            check_name(guard.error, guard.error_span or guard.span, diagnostics)
    _locals(entity, diagnostics)


def _readonly(operation: model.Operation, diagnostics: Collector) -> None:
    does = {
        "set": operation.set is not None,
        "delete": operation.delete,
        "signal": bool(operation.signals),
        "start_workflow": bool(operation.launches),
    }
    if operation.readonly and (found := [key for key, there in does.items() if there]):
        message = f"{quote(operation.name)} is 'readonly', but has {quote(found[0])}"
        hint = "readonly operations run side by side: leave 'readonly' out"
        diagnostics.add("PD503", message, operation.span, hint=hint)


def _keys(entity: model.Entity) -> dict[str, None] | None:
    """The keys that the state may have; None when any is possible."""
    schema = entity.state_schema
    if isinstance(schema, dict):
        closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
        properties = schema.get("properties", {})
        return dict.fromkeys(properties) if closed and isinstance(properties, dict) else None
    if schema is not None or not isinstance(entity.initial, dict) or not entity.initial:
        return None
    return dict.fromkeys(entity.initial)


def _set(
    operation: model.Operation,
    values: tuple[tuple[str, object], ...],
    entity: model.Entity,
    keys: dict[str, None] | None,
    diagnostics: Collector,
) -> None:
    if entity.state_schema is None and entity.initial is not None and not isinstance(entity.initial, dict):
        message = f"'set' names keys in {quote(operation.name)}, but the state is no map"
        hint = "write one value, as in 'set: ${ state + input }'"
        span = operation.set_spans[0] if operation.set_spans else operation.span
        diagnostics.add("PD504", message, span, hint=hint)
        return
    for (name, _), span in zip(values, operation.set_spans, strict=False):
        if keys is not None and name not in keys:
            near = suggest(name, keys)
            where = "'state.schema'" if entity.state_schema is not None else "'state.initial'"
            hint = f"did you mean {quote(near)}?" if near else f"add it to {where}"
            diagnostics.add("PD504", f"the state has no key {quote(name)}", span, hint=hint)


def _locals(entity: model.Entity, diagnostics: Collector) -> None:
    read = {use.name for place in entity_places(entity) for use in names_of(place.value)}
    for operation in entity.operations:
        for local in operation.let:
            if local.name not in read:
                message = f"nothing reads the name {quote(local.name)}"
                diagnostics.add("PD806", message, local.span, hint="use it, or take it out")
