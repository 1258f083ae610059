"""Semantic versions and ranges of them: ``1.4.0``, ``^2.0``, ``~1.2``, ``2``."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_RANGE = re.compile(
    rf"(?P<sign>[\^~]?)(?P<major>{_NUMBER})(?:\.(?P<minor>{_NUMBER})(?:\.(?P<patch>{_NUMBER}))?)?"
)
_VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(-.+|\+.+)?")
_EXAMPLES = "write it like 1.4.0, ^2.0, ~1.2 or 2"

Numbers = tuple[int, int, int]


class Range(NamedTuple):
    """The versions from ``first`` to before ``end``."""

    first: Numbers
    end: Numbers

    def __contains__(self, version: object) -> bool:
        return isinstance(version, tuple) and self.first <= version < self.end


def parse_range(text: str) -> Range:
    """The range that a text means; a number that is left out may be any, after ``^`` and ``~`` it is 0.

    ``^`` keeps the first number that is not 0, ``~`` the first two. Raises ValueError, with a message for
    people, for text that is no range.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        if re.search(r"[<>=*xX|,]|\s-\s", text):
            raise ValueError(f"a range is one version with ^ or ~ before it; {_EXAMPLES}")
        raise ValueError(f"no version or range; {_EXAMPLES}")
    given = [int(match[part]) for part in ("major", "minor", "patch") if match[part] is not None]
    first = (*given, *[0] * (3 - len(given)))
    match match["sign"]:
        case "^":
            kept = next((place for place, number in enumerate(given) if number), len(given) - 1)
        case "~":
            kept = min(1, len(given) - 1)
        case _:
            kept = len(given) - 1
    numbers = (first[0], first[1], first[2])
    return Range(numbers, _above(numbers, kept))


def parse_version(text: str) -> Numbers | None:
    """The numbers of a version; None for a pre-release, which no range means."""
    match = _VERSION.fullmatch(text)
    if match is None or (match[4] or "").startswith("-"):
        return None
    return int(match[1]), int(match[2]), int(match[3])


def _above(numbers: Numbers, kept: int) -> Numbers:
    """The first version in which the numbers up to ``kept`` differ."""
    raised = [*numbers[:kept], numbers[kept] + 1, 0, 0]
    return raised[0], raised[1], raised[2]
