"""From a file to checked documents: reading, structure, decoding, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.dsl import rules
from perdure.dsl.decode import decode
from perdure.dsl.diagnostics import Collector, Diagnostic, Ignores, Related, Severity
from perdure.dsl.forms import check_syntax
from perdure.dsl.ignores import report_unused
from perdure.dsl.model import Workflow
from perdure.dsl.nodes import MapNode
from perdure.dsl.reader import ReadDocument, read
from perdure.dsl.schema import check_structure
from perdure.dsl.source import Source, Span

Document: TypeAlias = Workflow
"""What a file may hold; workflows are the only kind so far."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The documents of a file that have no errors, and everything that was found."""

    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    ignores: Ignores = field(default_factory=Ignores)
    """What comments accept; whoever checks further asks it too."""

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings may be there."""
        return all(each.severity is not Severity.ERROR for each in self.diagnostics)


def load(source: Source) -> Loaded:
    """Reads and checks a file. Never raises for any text: what is wrong is in ``diagnostics``."""
    diagnostics = Collector(source.name)
    source = Source(source.name, source.text.removeprefix("\ufeff"))
    loaded = (_document(each, diagnostics) for each in read(source, diagnostics))
    documents = tuple(document for document in loaded if document is not None)
    _check_repeated(documents, diagnostics)
    report_unused(diagnostics)
    return Loaded(documents, diagnostics.diagnostics(), diagnostics.ignores)


def load_bytes(name: str, data: bytes) -> Loaded:
    """The same for the bytes of a file, which must be UTF-8."""
    try:
        return load(Source(name, data.decode("utf-8")))
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        diagnostics = Collector(name)
        message = f"the byte 0x{data[error.start]:02X} is not UTF-8"
        diagnostics.add("PD100", message, Span.at(line, column), hint="save the file as UTF-8")
        return Loaded((), diagnostics.diagnostics())


def _document(found: ReadDocument, diagnostics: Collector) -> Document | None:
    """The workflow of a document, or None when anything is wrong with it."""
    if not found.sound:
        return None
    errors = diagnostics.errors
    if not check_structure(found.root, diagnostics):
        check_syntax(found.root, diagnostics)
        return None
    assert isinstance(found.root, MapNode), "the structure was checked"
    workflow = decode(found.root, diagnostics)
    rules.check(workflow, diagnostics)
    return workflow if diagnostics.errors == errors else None


def _check_repeated(documents: Sequence[Document], diagnostics: Collector) -> None:
    """What a file may not hold twice, since one of the two would be lost."""
    first: dict[tuple[str, str], Document] = {}
    for each in documents:
        before = first.setdefault((each.name, each.version), each)
        if before is not each:
            message = f"{each.name} {each.version} stands twice in this file"
            related = (Related(span=before.name_span, message="first here"),)
            hint = "give one of them another name or version"
            diagnostics.add("PD212", message, each.name_span, hint=hint, related=related)
