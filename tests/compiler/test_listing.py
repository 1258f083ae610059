"""Programs as listings: what each construct compiles to."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from perdure.compiler import encode
from perdure.compiler.disassemble import disassemble
from perdure.compiler.ir import EntityProgram
from tests.compiler.corpus import CASES, programs


class Listing(SingleFileSnapshotExtension):
    """One text file a case."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


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
