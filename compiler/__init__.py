"""Documents to Programs: ``compile_workflow`` is the whole of it."""

from __future__ import annotations

from perdure.compiler.ir import Program
from perdure.compiler.lower_flow import FlowLowering
from perdure.compiler.verify import verify
from perdure.dsl.model import Workflow

__all__ = ["Program", "compile_workflow"]


def compile_workflow(workflow: Workflow) -> Program:
    """Compile a document without errors. The Program is verified before anybody sees it."""
    program = FlowLowering(workflow).program()
    verify(program)
    return program
