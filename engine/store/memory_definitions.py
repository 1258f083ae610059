"""Definitions and Programs in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from perdure.engine.store.memory_tables import MemoryTables
from perdure.engine.store.rows import (
    AuditEntry,
    Definition,
)

_replace = msgspec.structs.replace


class MemoryDefinitions(MemoryTables):
    """The methods of a store."""

    def deploy(
        self,
        entries: Sequence[tuple[Definition, str]],
        *,
        activate: bool = True,
        audit: Sequence[AuditEntry] = (),
    ) -> list[Definition | None]:
        with self._write():
            found = [self._definitions.get((each.name, each.version)) for each, _ in entries]
            if any(
                row is not None and row.digest != each.digest
                for row, (each, _) in zip(found, entries, strict=True)
            ):
                return found
            new = set[str]()
            for row, (each, program) in zip(found, entries, strict=True):
                if row is None:
                    self._insert(self._definitions, (each.name, each.version), _replace(each, active=False))
                    self._put(self._programs, each.program, self._programs.get(each.program, program))
                if row is None or not row.active:
                    new.add(f"{each.name}@{each.version}")
                if activate and not (row is not None and row.retired):
                    self._activate(each.name, each.version, new=row is None)
            for entry in audit:
                if entry.target in new:
                    self._note(entry, self._clock.now())
            return found

    def _activate(self, name: str, version: str, *, new: bool) -> None:
        for other in [one for one in self._definitions.values() if one.name == name]:
            active = other.version == version
            again = active and not other.active and not new
            at = self._clock.now() if again else other.activated_at
            changed = _replace(other, active=active, activated_at=at)
            self._put(self._definitions, (name, other.version), changed)

    def activate(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        with self._write():
            found = self._definitions.get((name, version))
            if found is not None and (found.retired or not found.active):
                self._put(self._definitions, (name, version), _replace(found, retired=False))
                self._activate(name, version, new=False)
                self._note(audit, self._clock.now())
            return found

    def retire(self, name: str, version: str, audit: AuditEntry) -> Definition | None:
        with self._write():
            found = self._definitions.get((name, version))
            if found is not None and not found.retired:
                self._put(self._definitions, (name, version), _replace(found, retired=True, active=False))
                self._note(audit, self._clock.now())
            return found

    def pin(self, digest: str, program: str) -> None:
        with self._write():
            self._put(self._programs, digest, self._programs.get(digest, program))

    def program(self, digest: str) -> str | None:
        with self._read():
            return self._programs.get(digest)

    def definitions(
        self,
        name: str | None = None,
        *,
        after: tuple[str, int, str] | None = None,
        limit: int | None = None,
    ) -> list[Definition]:
        with self._read():
            rows = [one for one in self._definitions.values() if name is None or one.name == name]
        rows.sort(key=lambda one: (one.created_at, one.version), reverse=True)
        rows.sort(key=lambda one: one.name)
        if limit is None:
            return rows
        if after is not None:
            last, *place = after
            rows = [
                one
                for one in rows
                if one.name > last or (one.name == last and [one.created_at, one.version] < place)
            ]
        return rows[:limit]

    def _definition(self, name: str, version: str | None) -> Definition | None:
        if version is not None:
            return self._definitions.get((name, version))
        return next((one for one in self._definitions.values() if one.name == name and one.active), None)
