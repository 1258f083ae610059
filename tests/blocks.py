"""The fenced blocks of a Markdown page, with the remark that stands above each.

A remark is an HTML comment on the last line before the fence: ``<!-- ci: install-and-run -->`` names a block
that ``.ci/run`` executes in a fresh clone, ``<!-- test: skip REASON -->`` excuses a block from
``tests/test_docs.py``.

Usage: ``python tests/blocks.py PAGE NAME`` prints the one block that ``<!-- ci: NAME -->`` marks, or fails.
Standard library only: ``.ci/run`` calls it before anything is installed.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^ *(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)$")
_REMARK = re.compile(r"^ *<!-- *(?P<text>(?:ci|test):.*?) *-->$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. ``line`` is where its fence opens, counted from 1; ``language`` may be empty."""

    page: Path
    line: int
    language: str
    remark: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of ``page`` in order. Raises ValueError for a fence that is never closed."""
    found: list[Block] = []
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    before = ""
    for number, line in lines:
        if fence := _FENCE.match(line):
            remark = _REMARK.match(before)
            text = _until_closed(lines, fence["ticks"], f"{page}:{number}")
            found.append(
                Block(
                    page=page,
                    line=number,
                    language=fence["info"].strip(),
                    remark=remark["text"] if remark else "",
                    text=text,
                )
            )
        before = line or before
    return found


def _until_closed(lines: Iterator[tuple[int, str]], ticks: str, place: str) -> str:
    body: list[str] = []
    for _, line in lines:
        if line.strip() == ticks:
            return textwrap.dedent("\n".join(body)) + "\n"
        body.append(line)
    raise ValueError(f"{place}: the fence is never closed")


def _main(page: Path, name: str) -> None:
    if not page.is_file():
        sys.exit(f"{page}: no such page")
    named = [block for block in blocks(page) if block.remark == f"ci: {name}"]
    if len(named) != 1 or named[0].language != "bash":
        sys.exit(f"{page}: wanted one bash block under <!-- ci: {name} -->, found {len(named)}")
    sys.stdout.write(named[0].text)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
