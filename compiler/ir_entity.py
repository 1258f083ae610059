"""What an entity compiles to: for each operation the expressions to evaluate, in the order of the struct.

An operation is pure. Its expressions read ``state`` (the old one, always), ``input`` and ``key``, and from
slots the names of ``let``. When a guard does not hold, or an expression or a schema fails, nothing of it
is done: no new state, no signal, no start. Otherwise all of it is, at once.
"""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.compiler.ir_base import Code, Target


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """A guard: unless ``check`` holds, the operation fails with ``error``."""

    check: Code
    error: str
    message: Code | None
    line: int = 0
    column: int = 0


class OutgoingSignal(msgspec.Struct, frozen=True, kw_only=True):
    """A signal to another entity, if the condition (when there is one) holds."""

    condition: Code | None
    entity: Target
    operation: str
    arguments: Code | None
    line: int = 0
    column: int = 0


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """The start of a workflow, if the condition (when there is one) holds."""

    condition: Code | None
    workflow: str
    arguments: Code | None
    line: int = 0
    column: int = 0


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation.

    ``input_schema`` is None where none is declared. ``fields`` are new values of keys of the state, and
    ``replacement`` is a whole new state; at most one of the two is there. A ``readonly`` operation has
    neither, and no ``delete``.
    """

    readonly: bool
    input_schema: Any
    let: tuple[tuple[str, Code], ...]
    require: tuple[Requirement, ...]
    fields: tuple[tuple[str, Code], ...]
    replacement: Code | None
    returns: Code | None
    signals: tuple[OutgoingSignal, ...]
    launches: tuple[Launch, ...]
    delete: bool
    line: int = 0
    column: int = 0


class EntityProgram(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="entity"):
    """A compiled entity: plain data, the same wherever it runs. ``file`` names the source for people."""

    ir: int
    name: str
    version: str
    state_schema: Any
    initial: Any
    operations: dict[str, Operation]
    file: str = ""
    line: int = 0
    column: int = 0
