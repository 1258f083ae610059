"""What a wrong engine is: one line changed, or two that guard each other."""

from __future__ import annotations

from typing import NamedTuple


class Change(NamedTuple):
    """``old`` becomes ``new`` in a module; it must stand there once."""

    module: str
    old: str
    new: str


class Mutant(NamedTuple):
    """A wrong engine. ``plan`` is what the list of ``reliability.md`` calls it, if it is one of those.

    One with a ``guard`` is right all the same, for that reason: it is not looked for, but its pair is, in
    which the guard is away as well.
    """

    changes: tuple[Change, ...]
    plan: str = ""
    store: str = "memory"
    guard: str = ""


def one(module: str, old: str, new: str, plan: str = "", *, store: str = "memory", guard: str = "") -> Mutant:
    """A single line."""
    return Mutant((Change(module, old, new),), plan, store, guard)


def both(first: Mutant, second: Mutant, plan: str = "") -> Mutant:
    """Two guards away."""
    return Mutant((*first.changes, *second.changes), plan, first.store)
