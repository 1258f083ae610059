"""Did you mean …? For documents, where candidates may be thousands and chosen to be slow."""

from __future__ import annotations

from collections.abc import Iterable

from perdure.dsl.expr.suggest import did_you_mean

_FURTHEST = 2
_MOST = 200
"""Candidates that are compared in earnest."""


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that ``name`` probably should have been, or None.

    Two edits change at most the length by two and four letters of the set of letters: that is cheap to see.
    """
    letters = set(name)
    alike = [
        each
        for each in candidates
        if abs(len(each) - len(name)) <= _FURTHEST
        and len(letters.symmetric_difference(each)) <= 2 * _FURTHEST
    ]
    return did_you_mean(name, sorted(alike)[:_MOST])
