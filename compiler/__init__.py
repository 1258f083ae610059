"""Documents to Programs: ``compile_workflow`` and ``compile_entity`` are the whole of it."""

from __future__ import annotations

from perdure.compiler.ir import EntityProgram, Program
from perdure.compiler.lower_entity import lower_entity
from perdure.compiler.lower_header import lower
from perdure.compiler.verify import verify, verify_entity
from perdure.dsl.model import Entity, Workflow

__all__ = ["EntityProgram", "Program", "compile_entity", "compile_workflow"]


def compile_workflow(workflow: Workflow) -> Program:
    """Compile a document without errors. The Program is verified before anybody sees it."""
    program = lower(workflow)
    verify(program)
    return program


def compile_entity(entity: Entity) -> EntityProgram:
    """The same for an entity."""
    program = lower_entity(entity)
    verify_entity(program)
    return program
