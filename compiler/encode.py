"""Programs to text and back, and the digest that an instance is pinned to."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from perdure.compiler.ir import IR_VERSION, Code, Program
from perdure.dsl.expr.ast import without_positions

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Program)


class UnknownProgram(Exception):
    """A stored Program that this release cannot run; the text says why."""


def encode(program: Program) -> str:
    """The Program as JSON text."""
    return _encoder.encode(program).decode()


def decode(text: str) -> Program:
    """The inverse of ``encode``. Raises ``UnknownProgram``."""
    try:
        version = msgspec.json.decode(text, type=_Version).ir
        if version > IR_VERSION:
            raise UnknownProgram(f"the program has IR version {version}, this release runs {IR_VERSION}")
        return _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise UnknownProgram(f"the stored program cannot be read: {error}") from error


def digest(program: Program) -> str:
    """SHA-256 of what the Program means: comments, layout and the file's name do not count."""
    steps = tuple(msgspec.structs.replace(step, line=0, column=0) for step in program.steps)
    bare = msgspec.structs.replace(program, steps=steps, file="", code=tuple(map(_bare, program.code)))
    return hashlib.sha256(_encoder.encode(bare)).hexdigest()


class _Version(msgspec.Struct):
    ir: int


def _bare(value: Any) -> Any:
    """The value with no positions in it."""
    if isinstance(value, Code):
        return Code(without_positions(value.value), value.reads)
    if isinstance(value, msgspec.Struct):
        fields = {name: _bare(getattr(value, name)) for name in value.__struct_fields__}
        return type(value)(**fields)
    if isinstance(value, tuple):
        return tuple(map(_bare, value))
    return value
