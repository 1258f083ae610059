"""From a file's text to deployed definitions, for whoever holds it: the HTTP route or the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from perdure.compiler.build import Built, BuiltEntity, build
from perdure.compiler.difference import differences
from perdure.compiler.ir import Program
from perdure.dsl import Diagnostic, Severity, Source, format_diagnostics, load_bytes
from perdure.dsl.diagnostics import Related
from perdure.dsl.source import Position, Span
from perdure.engine.client import Client, Deployment
from perdure.engine.compatibility import breaks
from perdure.engine.errors import Conflict, PerdureError, UserError

MAX_CHANGES = 20
"""Differences that an error's text shows."""


class OtherContent(Conflict):
    """A version is deployed with other content; ``changes`` is what would be other."""

    code = "definition_conflict"

    def __init__(self, message: str, changes: Sequence[str], hint: str | None) -> None:
        shown = [f"  {each}" for each in changes[:MAX_CHANGES]]
        more = [f"  and {len(changes) - MAX_CHANGES} more"] if len(changes) > MAX_CHANGES else []
        super().__init__("\n".join([message + (":" if changes else ""), *shown, *more]), hint=hint)
        self.changes = list(changes)


class InvalidDocument(UserError):
    """A file has errors; ``diagnostics`` are what is wrong with ``source``, warnings included."""

    code = "invalid_document"

    def __init__(self, diagnostics: Sequence[Diagnostic], source: Source) -> None:
        errors = [each for each in diagnostics if each.severity is Severity.ERROR]
        line, column = errors[0].span.start
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        place = f"{source.name}:{line}:{column}"
        super().__init__(f"{place}: {errors[0].message}{more}", hint=errors[0].hint)
        self.diagnostics = tuple(diagnostics)
        self.source = source


def deploy_source(
    client: Client,
    text: str,
    filename: str,
    *,
    dry_run: bool = False,
    activate: bool = True,
    allow_breaking: bool = False,
    check_replay: bool = False,
) -> list[dict[str, Any]]:
    """Deploy every workflow and entity of a file, or none; ``Client.deploy`` says what comes back.

    ``filename`` is what diagnostics call the file. Raises ``InvalidDocument`` for a file with errors,
    and ``Conflict`` when a version is there with other content.
    With ``dry_run`` nothing is written.
    """
    source = Source(filename, text)
    built = build(source)
    if any(each.severity is Severity.ERROR for each in built.diagnostics):
        raise InvalidDocument(built.diagnostics, source)
    entries = deployments(built.workflows, built.entities, text)
    try:
        return client.deploy(
            entries,
            dry_run=dry_run,
            activate=activate,
            allow_breaking=allow_breaking,
            check_replay=check_replay,
        )
    except Conflict as error:
        if error.code == "definition_conflict":
            raise OtherContent(str(error), _changes(client, entries), error.hint) from None
        raise


def compare(client: Client, name: str, old: str, new: str) -> dict[str, Any]:
    """What differs between two deployed versions, and what the second one breaks of the first."""
    first, second = (client.compiled(client.definition(name, each)["program_digest"]) for each in (old, new))
    broken = breaks(first, second) if isinstance(first, Program) and isinstance(second, Program) else []
    return {
        "name": name,
        "from": old,
        "to": new,
        "changes": differences(first, second),
        "breaks": broken,
    }


def _changes(client: Client, entries: Sequence[Deployment]) -> list[str]:
    """What is other in the first of the entries that is there with other content."""
    for each in entries:
        with suppress(PerdureError):
            present = client.definition(each.name, each.version)
            if present["digest"] != each.digest:
                return differences(client.compiled(present["program_digest"]), each.program)
    return []


def decode_source(filename: str, data: bytes) -> str:
    """The text of a file. Raises ``InvalidDocument`` with the place of what is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        raise InvalidDocument(load_bytes(filename, data).diagnostics, Source(filename, text)) from None


def diagnostics_document(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Diagnostics as JSON, in the shape of ``perdure validate --output-format json``."""
    document = json.loads(format_diagnostics(diagnostics, (), "json"))
    items: list[dict[str, Any]] = document["diagnostics"]
    return items


def diagnostics_from(document: Sequence[Mapping[str, Any]]) -> list[Diagnostic]:
    """The inverse of ``diagnostics_document``."""
    return [_diagnostic(each) for each in document]


def deployments(workflows: Sequence[Built], entities: Sequence[BuiltEntity], text: str) -> list[Deployment]:
    """What a file's text holds, as it is deployed: entities first, for workflows speak to them."""
    documents = [(each.entity, each) for each in entities] + [(each.workflow, each) for each in workflows]
    return [
        Deployment(
            name=document.name,
            version=document.version,
            digest=built.digest,
            program=built.program,
            source=text,
        )
        for document, built in documents
    ]


def _diagnostic(document: Mapping[str, Any]) -> Diagnostic:
    return Diagnostic(
        code=document["code"],
        message=document["message"],
        span=_span(document),
        severity=Severity(document["severity"]),
        file=document["file"],
        hint=document["hint"],
        related=tuple(
            Related(span=_span(each), message=each["message"], file=each.get("file", ""))
            for each in document["related"]
        ),
        kind=document["kind"] or "",
    )


def _span(document: Mapping[str, Any]) -> Span:
    return Span(Position(**document["start"]), Position(**document["end"]))
