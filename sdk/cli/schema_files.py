"""The files that JSON Schemas refer to, beside the workflow file that needs them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from perdure.cli.failures import NO, Stop
from perdure.dsl.inline import inlined
from perdure.dsl.schema_files import MAX_BYTES, Read, SchemaFileError
from perdure.dsl.source import Source


def files_beside(name: str) -> Read:
    """Reads files in the folder of a workflow file and below it; a link must not lead elsewhere."""
    folder = Path(name).resolve().parent

    def read(path: str) -> bytes:
        file = (folder / path).resolve()
        if not file.is_relative_to(folder):
            raise OSError(errno.EACCES, "it lies outside the folder of the workflow file")
        if not file.is_file():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)

    return read


def standalone(source: Source) -> str:
    """The text of a file without errors, to be understood without the files beside it. Raises ``Stop``."""
    try:
        return inlined(source, files_beside(source.name)).text
    except SchemaFileError as error:
        raise Stop(NO, "unreadable", f"{source.name}: {error}", hint=error.hint) from None
