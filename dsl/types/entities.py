"""Types of entities: their state, their operations, what calls of them give."""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.expr.ast import Value
from perdure.dsl.types.catalog import Catalog
from perdure.dsl.types.json_schema import type_of_json, type_of_schema
from perdure.dsl.types.kinds import DYN, MAP, NULL, STRING, Object, Type, object_of
from perdure.dsl.types.names import loosely
from perdure.dsl.types.positions import CONDITION, ENTITY_KEY, MESSAGE, Env, Positions
from perdure.dsl.types.steps import Operations


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


def input_type(operation: model.Operation) -> Type:
    """What an operation takes; null without ``input``."""
    return NULL if operation.input_schema is None else type_of_schema(operation.input_schema)


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
                self._found[key] = (input_type(operation), checker.operation(operation))
        return self._found[key]


class EntityTypes(Positions):
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
        super().__init__(diagnostics)
        self.entity = entity
        self.catalog = catalog
        self.operations = operations
        self.strict = strict
        self.state = state_type(entity)

    def check(self) -> None:
        """All operations."""
        for operation in self.entity.operations:
            self.operation(operation)

    def operation(self, operation: model.Operation) -> Type:
        """One operation; gives the type of its result."""
        env = Env(None, state=self.state, input=input_type(operation), key=STRING)
        for local in operation.let:
            env.add(local.name, self.json(local.value, env))
        for guard in operation.require:
            self.needs(guard.check, env, CONDITION)
            env.test(guard.check)
            self.needs(guard.message, env, MESSAGE)
        self.assign(operation, env)
        result = self.json(operation.returns, env)
        for signal in operation.signals:
            self.signal(signal, env)
        for launch in operation.launches:
            self.launch(launch, env)
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

    def signal(self, signal: model.Signal, env: Env) -> None:
        """A signal to another entity."""
        self.needs(signal.guard, env, CONDITION)
        self.needs(signal.entity.key, env, ENTITY_KEY)
        self.json(signal.arguments, env)
        known = self.operations(signal.entity.type, signal.operation)
        if known is not None:
            what = f"{signal.entity.type}.{signal.operation}"
            self.given(signal.arguments, known[0], what, signal)

    def launch(self, launch: model.Launch, env: Env) -> None:
        """The start of a workflow."""
        self.needs(launch.guard, env, CONDITION)
        self.json(launch.arguments, env)
        known = self.catalog.workflows.get(launch.workflow)
        if known is not None and known.input_schema is not None:
            wanted = type_of_schema(known.input_schema)
            self.given(launch.arguments, wanted, f"the input of {launch.workflow}", launch)

    def given(self, value: Value | None, wanted: Type, what: str, place: model.Signal | model.Launch) -> None:
        """What is given to another; null when nothing is."""
        self.fit(value, wanted, what, place.span)
