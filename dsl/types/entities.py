"""Types of entities: their state, their operations, what calls of them give."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.types.asking import Asking, Operations
from perdure.dsl.types.catalog import Catalog
from perdure.dsl.types.json_schema import type_of_json, type_of_schema
from perdure.dsl.types.kinds import DYN, MAP, NEVER, STRING, Object, Type, object_of
from perdure.dsl.types.names import loosely
from perdure.dsl.types.positions import CONDITION, MESSAGE, Env


def state_type(entity: model.Entity) -> Type:
    """What the state may be: by its schema, else an object that begins as ``initial``.

    Without a schema its fields are those of ``initial`` and those that operations set, unless one
    of them replaces the whole state.
    """
    if entity.state_schema is not None:
        return type_of_schema(entity.state_schema)
    initial = type_of_json(entity.initial)
    if not isinstance(initial, Object):
        return loosely(initial)
    if any(_replaces(operation) for operation in entity.operations):
        return MAP
    fields = {name: loosely(kind) for name, kind in initial.fields.items()}
    added = [name for operation in entity.operations for name in _keys(operation) if name not in fields]
    return object_of({**fields, **dict.fromkeys(added, DYN)}, fields)


def _replaces(operation: model.Operation) -> bool:
    return operation.set is not None and not isinstance(operation.set, tuple)


def _keys(operation: model.Operation) -> list[str]:
    return [name for name, _ in operation.set] if isinstance(operation.set, tuple) else []


class Entities:
    """The operations of the entities of a catalog, each inferred once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._found: dict[tuple[str, str], tuple[Type, Type] | None] = {}

    def operation(self, entity: str, name: str) -> tuple[Type, Type] | None:
        """The types of the input and of the result of an operation; None when it is not known."""
        key = (entity, name)
        if key not in self._found:
            self._found[key] = None  # while it is looked at: operations may signal each other
            known = self._catalog.entities.get(entity)
            operation = (
                next((each for each in known.operations if each.name == name), None) if known else None
            )
            if known is not None and operation is not None:
                checker = EntityTypes(known, self._catalog, lambda *_: None, Collector(known.file))
                self._found[key] = (type_of_schema(operation.input_schema), checker.own(operation))
        return self._found[key]


class EntityTypes(Asking):
    """Checks the operations of one entity."""

    def __init__(
        self,
        entity: model.Entity,
        catalog: Catalog,
        operations: Operations,
        diagnostics: Collector,
        *,
        strict: bool = False,
    ) -> None:
        super().__init__(catalog, operations, diagnostics, strict=strict)
        self.entity = entity
        self.state = state_type(entity)

    def check(self) -> None:
        """All operations."""
        for operation in self.entity.operations:
            self.own(operation)

    def own(self, operation: model.Operation) -> Type:
        """One of the entity's operations; gives the type of its result."""
        env = Env(None, state=self.state, input=type_of_schema(operation.input_schema), key=STRING)
        for local in operation.let:
            found = self.json(local.value, env)
            env.add(local.name, DYN if found == NEVER else found)
        for guard in operation.require:
            self.needs(guard.check, env, CONDITION)
            env.test(guard.check)
            self.needs(guard.message, env, MESSAGE)
        self.assign(operation, env)
        result = self.json(operation.returns, env)
        for signal in operation.signals:
            self.needs(signal.guard, env, CONDITION)
            self.operation(signal, env)
        for launch in operation.launches:
            self.needs(launch.guard, env, CONDITION)
            self.started(launch, env)
        return result

    def assign(self, operation: model.Operation, env: Env) -> None:
        """``set``: the state stays what its schema says."""
        match operation.set:
            case None:
                return
            case tuple() as entries:
                spans = operation.set_spans or (operation.span,) * len(entries)
                for (name, value), span in zip(entries, spans, strict=True):
                    self.json(value, env)
                    self.fit(value, self.field(name), f"the key {quote(name)} of the state", span)
            case value:
                self.json(value, env)
                self.fit(value, self.state, "the state", operation.span)

    def field(self, name: str) -> Type:
        """The type of a key of the state."""
        if isinstance(self.state, Object):
            return self.state.fields.get(name, DYN)
        return DYN
