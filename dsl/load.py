"""From a file to checked documents: reading, structure, decoding, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.dsl import rules
from perdure.dsl.cases import Cases
from perdure.dsl.decode import decode
from perdure.dsl.decode_cases import decode_cases
from perdure.dsl.decode_entity import decode_entity
from perdure.dsl.diagnostics import Collector, Diagnostic, Ignores, Related, Severity
from perdure.dsl.forms import check_syntax
from perdure.dsl.ignores import report_unused
from perdure.dsl.model import Entity, Workflow
from perdure.dsl.nodes import MapNode, ScalarNode
from perdure.dsl.reader import ReadDocument, read
from perdure.dsl.rules.across import check_across
from perdure.dsl.schema import check_structure
from perdure.dsl.schema_files import Read
from perdure.dsl.source import Source, Span
from perdure.dsl.types import EMPTY, Catalog, note_types

Document: TypeAlias = Workflow | Entity | Cases
"""What a file may hold."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The documents of a file that have no errors, and everything that was found."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    ignores: Ignores = field(default_factory=Ignores)
    """What comments accept; whoever checks further asks it too."""

    @property
    def workflows(self) -> tuple[Workflow, ...]:
        """Those of kind ``workflow``."""
        return tuple(each for each in self.documents if isinstance(each, Workflow))

    @property
    def entities(self) -> tuple[Entity, ...]:
        """Those of kind ``entity``."""
        return tuple(each for each in self.documents if isinstance(each, Entity))

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings may be there."""
        return all(each.severity is not Severity.ERROR for each in self.diagnostics)


def load(
    source: Source, catalog: Catalog = EMPTY, *, strict: bool = False, files: Read | None = None
) -> Loaded:
    """Reads and checks a file. Never raises for any text: what is wrong is in ``diagnostics``.

    ``catalog`` is what is known beside the file; ``strict`` also notes what is not known to be right.
    ``files`` reads the files of JSON Schemas that the file refers to; without it there may be none.
    """
    diagnostics = Collector(source.name)
    source = Source(source.name, source.text.removeprefix("\ufeff"))
    found = [each for each in read(source, diagnostics) if each.sound]
    documents = _sound(found, catalog, diagnostics, strict, files)
    _check_repeated(documents, diagnostics)
    for each in check_across(documents):
        diagnostics.add(each.code, each.message, each.span, hint=each.hint, related=each.related)
    report_unused(diagnostics)
    return Loaded(documents, diagnostics.diagnostics(), diagnostics.ignores)


def load_bytes(name: str, data: bytes, files: Read | None = None) -> Loaded:
    """The same for the bytes of a file, which must be UTF-8."""
    try:
        return load(Source(name, data.decode("utf-8")), files=files)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        diagnostics = Collector(name)
        message = f"the byte 0x{data[error.start]:02X} is not UTF-8"
        diagnostics.add("PD100", message, Span.at(line, column), hint="save the file as UTF-8")
        return Loaded((), diagnostics.diagnostics())


def _sound(
    found: Sequence[ReadDocument],
    catalog: Catalog,
    diagnostics: Collector,
    strict: bool,
    files: Read | None,
) -> tuple[Document, ...]:
    """The documents that have no mistake: each is checked, then its types with those of all others."""
    before = diagnostics.errors
    loaded: list[tuple[Document, int]] = []
    for each in found:
        if (document := _document(each, diagnostics, files)) is not None:
            loaded.append((document, diagnostics.errors - before))
        before = diagnostics.errors
    known, sound = catalog.including(document for document, _ in loaded), []
    for document, errors in loaded:
        before = diagnostics.errors
        note_types(document, known, diagnostics, strict=strict)
        if not errors and diagnostics.errors == before:
            sound.append(document)
    return tuple(sound)


def _document(found: ReadDocument, diagnostics: Collector, files: Read | None) -> Document | None:
    """What a document says, right or wrong; None when it has not the structure of one."""
    if not check_structure(found.root, diagnostics):
        check_syntax(found.root, diagnostics)
        return None
    assert isinstance(found.root, MapNode), "the structure was checked"
    document = _decoded(found.root, diagnostics, files)
    rules.check(document, diagnostics)
    return document


def _decoded(root: MapNode, diagnostics: Collector, files: Read | None) -> Document:
    kind = root.get("kind")
    match kind.text if isinstance(kind, ScalarNode) else "workflow":
        case "entity":
            return decode_entity(root, diagnostics, files)
        case "test":
            return decode_cases(root, diagnostics)
        case _:
            return decode(root, diagnostics, files)


def _check_repeated(documents: Sequence[Document], diagnostics: Collector) -> None:
    """What a file may not hold twice, since one of the two would be lost."""
    first: dict[tuple[str, str, str], Workflow | Entity] = {}
    for each in documents:
        if isinstance(each, Cases):
            continue
        before = first.setdefault((type(each).__name__, each.name, each.version), each)
        if before is not each:
            message = f"{each.name} {each.version} stands twice in this file"
            related = (Related(span=before.name_span, message="first here"),)
            hint = "give one of them another name or version"
            diagnostics.add("PD212", message, each.name_span, hint=hint, related=related)
