"""Checks of several files together: what can only be wrong between documents.

Whoever has several files (``perdure validate``) runs this when all are loaded, before anything is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from perdure.dsl.cases import Cases
from perdure.dsl.diagnostics import Diagnostic, Related, severity_of
from perdure.dsl.digest import document_digest
from perdure.dsl.load import Document
from perdure.dsl.model import Entity, Workflow
from perdure.dsl.rules.across import check_across


def check_together(documents: Sequence[Document]) -> tuple[Diagnostic, ...]:
    """What the checks find between these documents; ``file`` of each diagnostic says where."""
    return tuple(each for check in CHECKS for each in check(documents))


def _differing(documents: Sequence[Document]) -> Iterator[Diagnostic]:
    """PD814: one name and version, two contents; a store takes only the first."""
    first: dict[tuple[type, str, str], Workflow | Entity] = {}
    for each in documents:
        if isinstance(each, Cases):
            continue
        before = first.setdefault((type(each), each.name, each.version), each)
        if before.file != each.file and document_digest(before) != document_digest(each):
            yield Diagnostic(
                code="PD814",
                severity=severity_of("PD814"),
                message=f"{each.name} {each.version} has other content than in {before.file}",
                span=each.name_span,
                file=each.file,
                hint="only one of them can be deployed; give one another name or version",
                related=(Related(span=before.name_span, message="first here", file=before.file),),
            )


CHECKS = (_differing, partial(check_across, between_files=True))
