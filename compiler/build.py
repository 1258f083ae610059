"""From a file's text to Programs: reading, checking, compiling, digests."""

from __future__ import annotations

from dataclasses import dataclass, field

from perdure.compiler import compile_entity, compile_workflow
from perdure.compiler.encode import digest
from perdure.compiler.ir import EntityProgram, Program
from perdure.dsl import Diagnostic, Document, Severity, load
from perdure.dsl.diagnostics import Ignores
from perdure.dsl.digest import document_digest
from perdure.dsl.model import Entity, Workflow
from perdure.dsl.schema_files import Read
from perdure.dsl.source import Source
from perdure.dsl.types import EMPTY, Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One workflow of a file. ``digest`` is the document's, ``program_digest`` the Program's."""

    workflow: Workflow
    program: Program
    digest: str
    program_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEntity:
    """One entity of a file."""

    entity: Entity
    program: EntityProgram
    digest: str
    program_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a file came to. With an error among the diagnostics nothing is built.

    ``documents`` are all that have no error themselves; ``ignores`` is for whoever checks further.
    """

    workflows: tuple[Built, ...]
    diagnostics: tuple[Diagnostic, ...]
    entities: tuple[BuiltEntity, ...] = ()
    documents: tuple[Document, ...] = ()
    ignores: Ignores = field(default_factory=Ignores)


def build(
    source: Source, catalog: Catalog = EMPTY, *, strict: bool = False, files: Read | None = None
) -> Build:
    """Check and compile every document of a file; the other arguments are those of ``load``."""
    loaded = load(source, catalog, strict=strict, files=files)
    diagnostics = tuple(loaded.diagnostics)
    sound = all(found.severity is not Severity.ERROR for found in diagnostics)
    documents = loaded.documents if sound else ()
    return Build(
        workflows=tuple(_workflow(each) for each in documents if isinstance(each, Workflow)),
        entities=tuple(_entity(each) for each in documents if isinstance(each, Entity)),
        diagnostics=diagnostics,
        documents=loaded.documents,
        ignores=loaded.ignores,
    )


def _workflow(workflow: Workflow) -> Built:
    program = compile_workflow(workflow)
    return Built(
        workflow=workflow,
        program=program,
        digest=document_digest(workflow),
        program_digest=digest(program),
    )


def _entity(entity: Entity) -> BuiltEntity:
    program = compile_entity(entity)
    return BuiltEntity(
        entity=entity, program=program, digest=document_digest(entity), program_digest=digest(program)
    )
