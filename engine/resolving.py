"""Which Program a start means: by name, version or range, and what was brought along."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from perdure.compiler.encode import UnknownProgram
from perdure.engine.entity_owner import Kind
from perdure.engine.events import StartRequested
from perdure.engine.linked import LinkedProgram
from perdure.engine.programs import Programs
from perdure.engine.starting import Asked, Found
from perdure.engine.store.protocol import Store
from perdure.engine.upgrading import LATEST, Candidate, Upgrades
from perdure.engine.upgrading import Wanted as UpgradeWanted
from perdure.engine.versions import latest, newest

_log = logging.getLogger("perdure.worker")

Wanted = tuple[str, str | None]
"""A name, and a version, a range or None for the active version."""


def look_up(store: Store, programs: Programs, asked: Sequence[Asked]) -> list[Found]:
    """What the database has for each start, as of now."""
    present = store.look_up([each.message.instance for each in asked], [], []).instances
    definitions, lent = _Definitions(store, programs), _Lent(store)
    found = []
    for each in asked:
        there = present.get(each.message.instance)
        asks = each.event.if_exists == "reuse" or each.event.again
        asked_for_end = there is not None and there.status.ended and asks
        version, program, problem = definitions.of(each.event)
        found.append(
            Found(
                present=there,
                payloads=store.payloads(each.message.instance) if asked_for_end else {},
                version=version,
                program=program,
                problem=problem,
                values=lent.of(each.event),
            )
        )
    return found


class _Lent:
    """What chunks read of their parents' values: each is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, str], str | None] = {}

    def of(self, event: StartRequested) -> dict[str, str]:
        """The values that a chunk begins with."""
        if event.chunk is None or event.asker is None:
            return {}
        parent = event.asker.instance
        texts = {key: self._read(parent, key) for key in (event.chunk.items, event.chunk.around)}
        return {key: text for key, text in texts.items() if text is not None}

    def _read(self, parent: str, key: str) -> str | None:
        if (parent, key) not in self._known:
            self._known[parent, key] = self._store.payload(parent, key)
        return self._known[parent, key]


def entity_kinds(
    store: Store, programs: Programs, types: Sequence[str], offered: Collection[str]
) -> dict[str, Kind | None]:
    """Who carries out the operations of each type, as of now.

    That is its active definition, or else workers here (``offered`` are the names of tasks that run in
    this process) or elsewhere that have its class.
    """
    found = store.look_up([], [(each, None) for each in types], []).definitions
    there = set(offered).union(*(worker.activities for worker in store.workers()))
    kinds = dict[str, Kind | None]()
    for type_ in types:
        definition = found.get((type_, None))
        if definition is not None and definition.kind == "entity":
            try:
                kinds[type_] = programs.entity(definition.program)
            except UnknownProgram as error:
                _log.warning("entity %s cannot be run here: %s", type_, error)
                kinds[type_] = None
        else:
            kinds[type_] = "python" if f"@{type_}" in there else None
    return kinds


class _Definitions:
    """Looks each one up once."""

    def __init__(self, store: Store, programs: Programs) -> None:
        self._store = store
        self._programs = programs
        self._known: dict[Wanted, tuple[str, str] | str] = {}

    def of(self, event: StartRequested) -> tuple[str, LinkedProgram | None, str]:
        """Version and Program of a start, or why there is none."""
        if event.digest is None:
            return self.find((event.name, event.version), event.local)
        program = self._programs.all([event.digest])[event.digest]
        version = event.version or ""
        return ("", None, program) if isinstance(program, str) else (version, program, "")

    def find(self, wanted: Wanted, local: Mapping[str, str]) -> tuple[str, LinkedProgram | None, str]:
        """Version and Program, or why there is none."""
        name, _ = wanted
        if name in local:
            version, digest = "", local[name]
        else:
            if wanted not in self._known:
                self._known[wanted] = self._deployed(wanted)
            known = self._known[wanted]
            if isinstance(known, str):
                return "", None, known
            version, digest = known
        program = self._programs.all([digest])[digest]
        if isinstance(program, str):
            return "", None, program
        return version or program.program.version, program, ""

    def _deployed(self, wanted: Wanted) -> tuple[str, str] | str:
        name, version = wanted
        if version is None:
            found = self._store.look_up([], [(name, None)], []).definitions.get((name, None))
            return (
                f"no workflow {name!r} is deployed"
                if found is None or found.kind == "entity"
                else (found.version, found.program)
            )
        rows = {each.version: each.program for each in self._store.definitions(name) if not each.retired}
        best = newest(rows, version)
        if best is None:
            there = f"there is {', '.join(rows)}" if rows else "none is deployed"
            return f"no version of {name!r} is in {version!r}: {there}"
        return best, rows[best]


def look_up_versions(store: Store, programs: Programs, upgrades: Upgrades) -> None:
    """What generations that are about to begin may run, as of now."""
    for wanted in list(upgrades.asked):
        upgrades.learn(wanted, _candidate(store, programs, wanted))


def _candidate(store: Store, programs: Programs, asked: UpgradeWanted) -> Candidate | None:
    rows = {
        each.version: each.program
        for each in store.definitions(asked.name)
        if each.kind == "workflow" and not each.retired
    }
    best = latest(rows, asked.version) if asked.wanted == LATEST else newest(rows, asked.wanted)
    if best is None or best == asked.version:
        return None
    return Candidate(best, programs.all([rows[best]])[rows[best]])
