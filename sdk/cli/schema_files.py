"""The files that JSON Schemas refer to, beside the workflow file that needs them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from perdure.cli.failures import NO, Stop
from perdure.dsl.digest import document_digest
from perdure.dsl.inline import inlined
from perdure.dsl.load import Loaded, load
from perdure.dsl.model import Entity, Workflow
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
    files = files_beside(source.name)
    try:
        alone = inlined(source, files)
    except SchemaFileError as error:
        raise Stop(NO, "unreadable", f"{source.name}: {error}", hint=error.hint) from None
    if _digests(load(alone)) != _digests(load(source, files=files)):
        # Text is put in where an anchor stands, and the alias elsewhere is no schema.
        message = f"{source.name}: a schema with an anchor needs a file, and its alias stands elsewhere"
        hint = "write '$ref' where it is needed, and take the anchor out"
        raise Stop(NO, "unreadable", message, hint=hint)
    return alone.text


def _digests(loaded: Loaded) -> list[str]:
    return [document_digest(each) for each in loaded.documents if isinstance(each, Workflow | Entity)]
