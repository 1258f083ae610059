"""Definitions for clients: deploy them, and look at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from perdure.compiler import encode
from perdure.compiler.ir import EntityProgram, Program
from perdure.engine import audit
from perdure.engine.caller import Caller
from perdure.engine.compatibility import breaks
from perdure.engine.cursors import decode_cursor, encode_cursor, valid_limit
from perdure.engine.definitions import refuse_breaking, unknown
from perdure.engine.errors import Conflict
from perdure.engine.replay_check import replay_running
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import Definition
from perdure.engine.views import definition_view


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A checked and compiled workflow or entity. ``digest`` is the document's."""

    name: str
    version: str
    digest: str
    program: Program | EntityProgram
    source: str


class Deploying(Caller):
    """The part of a client that stores definitions."""

    def deploy(
        self,
        entries: Sequence[Deployment],
        *,
        dry_run: bool = False,
        activate: bool = True,
        allow_breaking: bool = False,
        check_replay: bool = False,
    ) -> list[dict[str, Any]]:
        """Store definitions and make them the active versions; what is there already is left alone.

        Raises ``Conflict`` when a version has other content, ``BreakingChange`` when one breaks what the
        active version promises and neither its number nor ``allow_breaking`` says so; with ``check_replay``,
        ``WouldDiverge`` when running instances of the active version have decided what the new one would not.
        Nothing is stored then.
        """
        now = self.store.time()
        rows = [(_definition_row(each, now), encode.encode(each.program)) for each in entries]
        keys = [key for each in entries for key in ((each.name, each.version), (each.name, None))]
        known = self.store.look_up([], keys, []).definitions
        found = [known.get((each.name, each.version)) for each in entries]
        _check_unchanged(entries, found)
        _check_kinds(rows, known)
        broken = self._breaks([(each.name, each.version, each.program) for each in entries], known)
        if not allow_breaking:
            refuse_breaking(broken)
        replayed = self._replays(entries, known) if check_replay else {}
        outcomes = _outcomes(rows, found, activate)
        if not dry_run:
            said = [
                audit.entry(self.actor, _ACTIONS[outcome], f"{each.name}@{each.version}", digest=each.digest)
                for each, outcome in zip(entries, outcomes, strict=True)
                if outcome in _ACTIONS
            ]
            found = self.store.deploy(rows, activate=activate, audit=said)
            _check_unchanged(entries, found)
        return [
            {
                "name": row.name,
                "version": row.version,
                "digest": row.digest,
                "program_digest": row.program if present is None else present.program,
                "outcome": outcome,
                "active": _is_active(present, activate),
                "breaks": broken.get((row.name, row.version), ("", []))[1],
                **replayed.get((row.name, row.version), {}),
            }
            for (row, _), present, outcome in zip(rows, found, outcomes, strict=True)
        ]

    def definitions(self, name: str | None = None) -> list[dict[str, Any]]:
        """All versions of all definitions, or of one."""
        return [definition_view(each) for each in self.store.definitions(name)]

    def definitions_page(
        self, name: str | None = None, *, limit: int = 50, cursor: str | None = None
    ) -> dict[str, Any]:
        """The same a page at a time: ``items`` and ``next``. Raises ``UserError`` for a bad cursor."""
        limit = valid_limit(limit)
        after = None if cursor is None else decode_cursor(cursor, tuple[str, int, str])
        found = self.store.definitions(name, after=after, limit=limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return {
            "items": [definition_view(each) for each in found[:limit]],
            "next": None if last is None else encode_cursor((last.name, last.created_at, last.version)),
        }

    def definition(self, name: str, version: str | None = None) -> dict[str, Any]:
        """One version (the active one by default) with its ``source``. Raises ``NotFound``."""
        found = self._definition(name, version)
        return {**definition_view(found), "source": found.source}

    def program(self, digest: str) -> Program:
        """A stored Program. Raises ``Conflict`` when this release cannot run it."""
        return self._linked(digest).program

    def compiled(self, digest: str) -> Program | EntityProgram:
        """A stored Program, of a workflow or an entity. Raises ``Conflict`` as ``program`` does."""
        with suppress(encode.UnknownProgram):
            return self._programs.entity(digest).program
        return self.program(digest)

    def activate(self, name: str, version: str) -> dict[str, Any]:
        """Make a version what a start without a version means, also one that was retired.

        Returns its document with ``changed``. Raises ``NotFound``.
        """
        entry = audit.entry(self.actor, "definition.activate", f"{name}@{version}")
        found = self.store.activate(name, version, entry)
        if found is None:
            raise unknown(self.store, name, version)
        changed = found.retired or not found.active
        return {**definition_view(found), "active": True, "retired": False, "changed": changed}

    def retire(self, name: str, version: str) -> dict[str, Any]:
        """Let a version start nothing any more; what runs on it goes on. ``activate`` says the rest."""
        entry = audit.entry(self.actor, "definition.retire", f"{name}@{version}")
        found = self.store.retire(name, version, entry)
        if found is None:
            raise unknown(self.store, name, version)
        return {**definition_view(found), "active": False, "retired": True, "changed": not found.retired}

    def _replays(
        self, entries: Iterable[Deployment], known: Mapping[tuple[str, str | None], Definition]
    ) -> dict[tuple[str, str], dict[str, int]]:
        """How many running instances each new version decides everything of. Raises ``WouldDiverge``."""
        found = {}
        for each in entries:
            active = known.get((each.name, None))
            if isinstance(each.program, Program):
                other = active is not None and active.program != encode.digest(each.program)
                count = 0
                if active is not None and other:
                    count = replay_running(self.store, active, each.version, each.program)
                found[each.name, each.version] = {"replayed": count}
        return found

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


def _stored(store: Store, digest: str) -> Program | None:
    """A Program as it was compiled; None for one of another release: nothing is known of it."""
    text = store.program(digest)
    try:
        return None if text is None else encode.decode(text)
    except encode.UnknownProgram:
        return None


def _definition_row(entry: Deployment, now: int) -> Definition:
    return Definition(
        name=entry.name,
        version=entry.version,
        digest=entry.digest,
        program=encode.digest(entry.program),
        source=entry.source,
        created_at=now,
        kind="entity" if isinstance(entry.program, EntityProgram) else "workflow",
    )


def _check_unchanged(entries: Sequence[Deployment], found: Sequence[Definition | None]) -> None:
    for each, present in zip(entries, found, strict=True):
        if present is not None and present.digest != each.digest:
            error = Conflict(
                f"{each.name}@{each.version} is deployed with other content",
                hint="a deployed version never changes: give the new content a new version",
            )
            error.code = "definition_conflict"
            raise error


def _check_kinds(
    rows: Sequence[tuple[Definition, str]], known: Mapping[tuple[str, str | None], Definition]
) -> None:
    for row, _ in rows:
        present = known.get((row.name, None))
        if present is not None and present.kind != row.kind:
            error = Conflict(
                f"{row.name!r} is deployed as {present.kind}, and cannot be one as {row.kind}",
                hint="choose another name",
            )
            error.code = "definition_conflict"
            raise error


_ACTIONS = {"created": "definition.deploy", "activated": "definition.activate"}


def _outcomes(
    rows: Sequence[tuple[Definition, str]], found: Sequence[Definition | None], activate: bool
) -> list[str]:
    """What deploying comes to. Of several versions of a name the last becomes the active one."""
    last = {row.name: row.version for (row, _), there in zip(rows, found, strict=True) if not _retired(there)}

    def outcome(row: Definition, there: Definition | None) -> str:
        if there is None:
            return "created"
        again = activate and not there.active and last.get(row.name) == row.version
        return "activated" if again else "unchanged"

    return [outcome(row, there) for (row, _), there in zip(rows, found, strict=True)]


def _retired(there: Definition | None) -> bool:
    return there is not None and there.retired


def _is_active(present: Definition | None, activate: bool) -> bool:
    """Whether a version is the active one once it is deployed."""
    if present is None:
        return activate
    return present.active or (activate and not present.retired)
