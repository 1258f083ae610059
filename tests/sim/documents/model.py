"""What a document is: a workflow, and a small interpreter of it that says what has to come of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Broken(Exception):
    """The workflow fails here, with an error of this name."""


@dataclass
class State:
    """What the interpreter knows while it runs a document."""

    names: dict[str, Any]
    calls: Counter[str] = field(default_factory=Counter)
    """How often each labelled activity has to be carried out."""
    optional: set[str] = field(default_factory=set)
    """Labels of activities that may be cut short."""
    vars: dict[str, Any] = field(default_factory=dict)
    heard: int = 0
    """Events ``Go`` so far."""
    found: int = 0
    """Events so far that came by their content."""
    undos: list[list[str]] = field(default_factory=list)
    """Of each saga that goes on, what undoes the parts that have ended well."""
    totals: Counter[str] = field(default_factory=Counter)
    """What entities were given, by their ids."""


Run = Callable[[State], Any]
Outcome = Callable[[int], tuple[str, Any, State]]
"""From the input to the status, the output (or the error's name) and the rest."""
Step = tuple[Any, Run]
"""A step of a document, and what it does."""


@dataclass(frozen=True)
class Document:
    """A workflow, and what it does."""

    text: str
    run: Outcome
    attempts: dict[str, int]
    """How often each labelled activity is carried out for one call, when nothing goes wrong; 0 for often."""
    events: int
    """How many events ``Go`` it has to be sent, with the payloads 1, 2, ..."""
    published: int
    """How many events ``Paid`` find it by its id ``of`` which they are, with ``n`` 1, 2, ..."""
    children: tuple[str, ...] = ()
    """The workflows that it calls."""
    one_way: bool = False
    """Whether it cannot go on once it was terminated: what it was told meanwhile is lost, or a lock."""
