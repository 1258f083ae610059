"""Which versions of a definition start instances, and what a new one breaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from perdure.compiler.encode import UnknownProgram, decode
from perdure.compiler.ir import Program
from perdure.engine import audit
from perdure.engine.compatibility import BreakingChange, breaks, may_break
from perdure.engine.errors import Conflict, NotFound
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Definition
from perdure.engine.views import definition_view


class Definitions:
    """The part of a client that chooses between versions."""

    store: Store
    actor: str

    def activate(self, name: str, version: str) -> dict[str, Any]:
        """Make a version what a start without a version means, also one that was retired.

        Returns its document with ``changed``. Raises ``NotFound``.
        """
        entry = audit.entry(self.actor, "definition.activate", f"{name}@{version}")
        found = self.store.activate(name, version, entry)
        if found is None:
            raise unknown(name, version)
        changed = found.retired or not found.active
        return {**definition_view(found), "active": True, "retired": False, "changed": changed}

    def retire(self, name: str, version: str) -> dict[str, Any]:
        """Let a version start nothing any more; what runs on it goes on. ``activate`` says the rest."""
        entry = audit.entry(self.actor, "definition.retire", f"{name}@{version}")
        found = self.store.retire(name, version, entry)
        if found is None:
            raise unknown(name, version)
        return {**definition_view(found), "active": False, "retired": True, "changed": not found.retired}

    def _breaks(
        self, entries: Iterable[tuple[str, str, Any]], known: Mapping[tuple[str, str | None], Definition]
    ) -> Mapping[tuple[str, str], tuple[str, list[str]]]:
        """What each new version breaks of the active one, by name and version, with that one's version."""
        found = {}
        for name, version, program in entries:
            before = known.get((name, None))
            if before is None or (name, version) in known or not isinstance(program, Program):
                continue
            old = _stored(self.store, before.program)
            if old is not None:
                found[name, version] = (before.version, breaks(old, program))
        return found


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


def unknown(name: str, version: str | None, *, others: bool = False) -> NotFound:
    """There is no such definition; or ``others`` are there, and none of them is active."""
    if version is None and others:
        return NotFound(
            f"no version of {name!r} is active",
            hint=f"name one, or choose: perdure definitions activate {name}@VERSION",
        )
    shown = name if version is None else f"{name}@{version}"
    return NotFound(f"there is no definition {shown!r}", hint="deploy it first: perdure deploy FILE")


def _stored(store: Store, digest: str) -> Program | None:
    """A Program as it was compiled; None for one of another release: nothing is known of it."""
    text = store.program(digest)
    try:
        return None if text is None else decode(text)
    except UnknownProgram:
        return None
