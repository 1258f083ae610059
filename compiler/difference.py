"""What differs between two Programs in what they mean: not in layout, comments or numbers of instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from perdure.compiler.disassemble import disassemble
from perdure.compiler.ir import EntityProgram, Program

_NUMBER = re.compile(r"^ *\d+  ")
_TARGET = re.compile(r"@\d+\b")


def differences(old: Program | EntityProgram, new: Program | EntityProgram) -> list[str]:
    """One line for each thing that is gone (``-``) or new (``+``): of the header, and of the steps.

    A step is named by its path. What has only moved within a step is not told.
    """
    before, after = _parts(old), _parts(new)
    lines = []
    for place in dict.fromkeys([*before, *after]):
        was, now = before.get(place, []), after.get(place, [])
        where = f"{place}: " if place else ""
        lines += [f"- {where}{each}" for each in _without(was, now)]
        lines += [f"+ {where}{each}" for each in _without(now, was)]
    return lines


def _parts(program: Program | EntityProgram) -> dict[str, list[str]]:
    """The lines of a listing by the step or operation that they are in; the header's have none."""
    parts: dict[str, list[str]] = {}
    place = ""
    for line in disassemble(program).splitlines()[1:]:
        if line.endswith(":") and not line.startswith(" "):
            place = line[:-1]
        else:
            parts.setdefault(place, []).append(_TARGET.sub("@", _NUMBER.sub("", line)).strip())
    return parts


def _without(lines: list[str], others: list[str]) -> Iterator[str]:
    left = list(others)
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            yield line
