"""Programs to text and back, and the digest that an instance is pinned to."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from perdure.compiler.ir import IR_VERSION, Code, EntityProgram, Program
from perdure.dsl.expr.ast import without_positions

_encoder = msgspec.json.Encoder()
_workflows = msgspec.json.Decoder(Program)
_entities = msgspec.json.Decoder(EntityProgram)

_POSITIONS: dict[str, Any] = {"line": 0, "column": 0, "file": "", "places": {}}


class UnknownProgram(Exception):
    """A stored Program that this release cannot run; the text says why."""


def encode(program: Program | EntityProgram) -> str:
    """The Program as JSON text."""
    return _encoder.encode(program).decode()


def decode(text: str) -> Program:
    """The inverse of ``encode`` for a workflow. Raises ``UnknownProgram``."""
    program: Program = _decoded(text, _workflows)
    return program


def decode_entity(text: str) -> EntityProgram:
    """The inverse of ``encode`` for an entity. Raises ``UnknownProgram``."""
    program: EntityProgram = _decoded(text, _entities)
    return program


def digest(program: Program | EntityProgram) -> str:
    """SHA-256 of what the Program means: comments, layout and the file's name do not count."""
    return hashlib.sha256(_encoder.encode(_bare(program))).hexdigest()


class _Version(msgspec.Struct):
    ir: int


def _decoded(text: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    try:
        version = msgspec.json.decode(text, type=_Version).ir
        if version != IR_VERSION:
            raise UnknownProgram(f"the program has IR version {version}, this release runs {IR_VERSION}")
        return decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise UnknownProgram(f"the stored program cannot be read: {error}") from error


def _bare(value: Any) -> Any:
    """The value with no positions in it."""
    if isinstance(value, Code):
        return Code(without_positions(value.value), value.reads)
    if isinstance(value, msgspec.Struct):
        fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
        return type(value)(**{name: _POSITIONS.get(name, _bare(field)) for name, field in fields})
    if isinstance(value, tuple):
        return tuple(map(_bare, value))
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    return value
