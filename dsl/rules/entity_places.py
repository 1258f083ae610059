"""Every position of an entity that holds a value, with the names that may be read there.

An operation sees ``state`` as it was before, ``key``, its ``input`` if it takes one, and the names of
``let`` that stand above.
"""

from __future__ import annotations

from perdure.dsl import model
from perdure.dsl.rules.scopes import Kind, Places, Role, Scope, Symbol, root, some


def entity_places(entity: model.Entity) -> Places:
    """Every value of an entity, in the order in which operations compute."""
    for operation in entity.operations:
        yield from _operation(operation)


def _operation(operation: model.Operation) -> Places:
    scope = Scope(None, root("state"), root("key"))
    if operation.input_schema is not None:
        scope.add(root("input"))
    for local in operation.let:
        yield from some(None, scope, Role.VALUE, local.value)
        scope.add(Symbol(name=local.name, kind=Kind.LOCAL))
    for guard in operation.require:
        yield from some(None, scope, Role.CONDITION, guard.check)
        yield from some(None, scope, Role.VALUE, guard.message)
    if isinstance(operation.set, tuple):
        yield from some(None, scope, Role.VALUE, *(value for _, value in operation.set))
    else:
        yield from some(None, scope, Role.VALUE, operation.set)
    yield from some(None, scope, Role.VALUE, operation.returns)
    for signal in operation.signals:
        yield from some(None, scope, Role.CONDITION, signal.guard)
        yield from some(None, scope, Role.TEXT, signal.entity.key)
        yield from some(None, scope, Role.VALUE, signal.arguments)
    for launch in operation.launches:
        yield from some(None, scope, Role.CONDITION, launch.guard)
        yield from some(None, scope, Role.VALUE, launch.arguments)
