"""From a file's text to Programs: reading, checking, compiling, digests."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.compiler import compile_workflow
from perdure.compiler.encode import digest
from perdure.compiler.ir import Program
from perdure.dsl import Diagnostic, Severity, load
from perdure.dsl.digest import document_digest
from perdure.dsl.model import Workflow
from perdure.dsl.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One workflow of a file. ``digest`` is the document's, ``program_digest`` the Program's."""

    workflow: Workflow
    program: Program
    digest: str
    program_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a file came to. With an error among the diagnostics there are no workflows."""

    workflows: tuple[Built, ...]
    diagnostics: tuple[Diagnostic, ...]


def build(source: Source) -> Build:
    """Check and compile every workflow of a file."""
    loaded = load(source)
    diagnostics = tuple(loaded.diagnostics)
    if any(found.severity is Severity.ERROR for found in diagnostics):
        return Build(workflows=(), diagnostics=diagnostics)
    return Build(workflows=tuple(_built(document) for document in loaded.documents), diagnostics=diagnostics)


def _built(workflow: Workflow) -> Built:
    program = compile_workflow(workflow)
    return Built(
        workflow=workflow,
        program=program,
        digest=document_digest(workflow),
        program_digest=digest(program),
    )
