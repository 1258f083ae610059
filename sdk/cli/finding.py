"""Which files a command is to work on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from perdure.cli.failures import USAGE, Stop

ENDINGS = (".perdure.yaml", ".perdure.yml", ".perdure-test.yaml")
"""How the names of files end that are found in a directory; others are named one by one."""
_MOST_NEIGHBOURS = 1000


def find(paths: Sequence[str]) -> list[str]:
    """The files that are meant, each once, in order; ``-`` stays as it is. Raises ``Stop`` for none."""
    found: list[str] = []
    for given in paths:
        path = Path(given)
        if given != "-" and path.is_dir():
            found += sorted(_below(path))
        elif given == "-" or path.exists():
            found.append(given)
        else:
            raise Stop(USAGE, "no_file", f"there is no file {shown(given)}", hint=meant(path))
    if not found:
        hint = f"files are found by names that end in {', '.join(ENDINGS)}; name others one by one"
        raise Stop(USAGE, "no_file", f"no workflow file below {shown(', '.join(paths))}", hint=hint)
    once: dict[str, str] = {}
    for each in found:
        once.setdefault(each if each == "-" else os.path.realpath(each), each)
    return list(once.values())


def shown(name: str) -> str:
    """The name of a file as text that can be printed anywhere."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _below(root: Path) -> Iterator[str]:
    """The workflow files of a directory, without hidden directories, environments and vendored packages."""
    for folder, folders, names in os.walk(root):
        folders[:] = [
            each
            for each in folders
            if not each.startswith(".")
            and each not in {"node_modules", "site-packages"}
            and not Path(folder, each, "pyvenv.cfg").is_file()
        ]
        yield from (Path(folder, each).as_posix() for each in names if each.endswith(ENDINGS))


def meant(path: Path) -> str | None:
    """A hint where there is no such file."""
    near = None if path.exists() else similar(path)
    return f"did you mean {shown(near)}?" if near is not None else None


def similar(path: Path) -> str | None:
    """A file beside the one that is not there, with nearly its name."""
    try:
        names = [each.name for each in islice(path.parent.iterdir(), _MOST_NEIGHBOURS)]
    except OSError:
        return None
    near = get_close_matches(path.name, names, n=1)
    return (path.parent / near[0]).as_posix() if near else None
