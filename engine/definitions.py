"""Which versions of a definition start instances, and what a new one breaks."""

from __future__ import annotations

from collections.abc import Mapping

from perdure.dsl.suggest import suggest
from perdure.engine.compatibility import BreakingChange, may_break
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Definition

_SHOWN = 10
"""Versions that an error names, the newest."""
_LOOKED_AT = 500
"""Definitions among which the one is looked for that was meant."""


def refuse_breaking(found: Mapping[tuple[str, str], tuple[str, list[str]]]) -> None:
    """Raises ``BreakingChange`` for the first version whose number does not say that it may break things."""
    for (name, version), (before, report) in found.items():
        if report and not may_break(before, version):
            raise BreakingChange(name, version, before, report)


def startable(definition: Definition) -> Definition:
    """The definition, if it may start something. Raises ``Conflict``."""
    if definition.kind == "entity":
        problem = Conflict(
            f"{definition.name!r} is an entity, no workflow",
            hint=f"speak to one: perdure entities signal {definition.name}@KEY OPERATION",
        )
        problem.code = "no_workflow"
        raise problem
    if not definition.retired:
        return definition
    shown = f"{definition.name}@{definition.version}"
    problem = Conflict(
        f"{shown} is retired: it starts nothing any more",
        hint=f"start another version, or: perdure definitions activate {shown}",
    )
    problem.code = "retired"
    raise problem


def inactive(name: str) -> NotFound:
    """There are versions of it, of which none is meant by the name alone."""
    return NotFound(
        f"no version of {name!r} is active",
        hint=f"name one, or choose: perdure definitions activate {name}@VERSION",
    )


def unknown(store: Store, name: str, version: str | None) -> NotFound:
    """There is no such definition; the error tells of other versions, or of a name nearly like it."""
    versions = [each.version for each in store.definitions(name, limit=_SHOWN)]
    if versions and version is None:
        return inactive(name)
    shown = name if version is None else f"{name}@{version}"
    hint = "deploy it first: perdure deploy FILE"
    if versions:
        hint = f"deployed are {', '.join(versions)}"
    elif near := suggest(name, {each.name for each in store.definitions(limit=_LOOKED_AT)}):
        hint = f"did you mean {near!r}? Otherwise {hint}"
    return NotFound(f"there is no definition {shown!r}", hint=hint)
