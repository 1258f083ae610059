"""The nearest of the known names."""

from __future__ import annotations

from collections.abc import Iterable

_FURTHEST = 2
_LONGEST = 64
"""Longer names, which only data can have, are not compared."""


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to ``name``, at most two edits away; the first in sort order among equals.

    An edit inserts, removes, replaces or swaps neighbouring characters (optimal string alignment).
    Short names must be nearer: one edit for up to three characters, so that ``a`` does not suggest ``b``.
    """
    if len(name) > _LONGEST:
        return None
    allowed = _FURTHEST if len(name) > 3 else 1
    best: tuple[int, str] | None = None
    for candidate in sorted(set(candidates)):
        if candidate == name or abs(len(candidate) - len(name)) > allowed:
            continue
        distance = _distance(name, candidate)
        if distance <= allowed and distance < len(name) and (best is None or distance < best[0]):
            best = (distance, candidate)
    return best[1] if best else None


def _distance(a: str, b: str) -> int:
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
