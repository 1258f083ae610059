"""One file, and a definition of it by name: for the commands that show what a file holds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from perdure.cli.failures import CONFLICT, NO, Stop
from perdure.dsl import Source


def read_source(path: str) -> Source:
    """The text of a file, ``-`` for standard input. Raises ``Stop``, with the diagnostic if it is no text."""
    from perdure.cli import sources

    if path == "-":
        name, data = "stdin.perdure.yaml", sys.stdin.buffer.read(sources.MOST_BYTES)
    else:
        name, data = path, sources.read_file(Path(path))
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError:
        sources.refuse([sources.check(name, data, None)])
        raise Stop(NO, "invalid_definition", f"{name} is larger than a workflow file may be") from None


def refuse_unknown(name: str | None, there: Sequence[str], file: str) -> None:
    """Raises ``Stop`` when a name was given and no definition has it."""
    if name is None or name in there:
        return
    near = get_close_matches(name, there, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it holds {', '.join(there)}"
    raise Stop(CONFLICT, "not_found", f"{file} holds no definition named {name}", hint=hint)
