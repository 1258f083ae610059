"""Programs as listings: what each construct compiles to."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from perdure.compiler import encode
from perdure.compiler.build import build
from perdure.compiler.disassemble import disassemble
from perdure.compiler.ir import EntityProgram, Program
from perdure.dsl.source import Source

OK = Path(__file__).parents[1] / "corpus" / "ok"
CASES = sorted(path.stem for path in OK.glob("*.yaml"))


class Listing(SingleFileSnapshotExtension):
    """One text file a case."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def programs(case: str) -> list[Program | EntityProgram]:
    """All Programs of a file of the corpus."""
    path = OK / f"{case}.yaml"
    built = build(Source(path.name, path.read_text()))
    return [each.program for each in (*built.workflows, *built.entities)]


@pytest.mark.parametrize("case", CASES)
def test_listing(case: str, snapshot: SnapshotAssertion) -> None:
    """A correct document compiles to the listing that was reviewed."""
    listing = "\n".join(disassemble(program) for program in programs(case))
    assert listing == snapshot(extension_class=Listing)


@pytest.mark.parametrize("case", CASES)
def test_encoding_keeps_everything(case: str) -> None:
    """A Program read back from its text is the same Program."""
    for program in programs(case):
        read = encode.decode_entity if isinstance(program, EntityProgram) else encode.decode
        assert read(encode.encode(program)) == program
