"""Names and where they may be read: symbols, scopes, and the positions that hold values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from perdure.dsl import model
from perdure.dsl.expr.ast import Value

ROOTS = ("input", "vars", "workflow")


class Kind(StrEnum):
    """What a name stands for. The last three cannot be read; they are there to be explained."""

    ROOT = "root"
    STEP = "step"
    ITEM = "item"
    INDEX = "index"
    COUNTER = "counter"
    LOCAL = "local"
    NOT_KEPT = "not kept"
    CUT_OFF = "cut off"
    ATTEMPTED = "attempted"


class Role(StrEnum):
    """What a position does with its value."""

    VALUE = "value"
    CONDITION = "condition"
    DURATION = "duration"
    TIME = "time"
    COUNT = "count"
    LIST = "list"
    KEY = "key"
    """Text, or what reads as text, that must be the same every time."""
    TEXT = "text"
    """Text, or what reads as text: ids, keys of entities, reasons."""
    OUTSIDE = "outside"
    """A value that is computed when no turn is taken: of queries and schedules."""
    ARGUMENTS = "arguments"
    """What an activity is given."""
    RESULT = "result"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbol:
    """A name that may be read; ``step`` is the one it names, or whose value ``result`` is.

    Of ``args`` it is the ``Use`` that passes them, None where the function is declared.
    """

    name: str
    kind: Kind
    step: model.Step | None = None


class Scope:
    """The names visible at a place, innermost first. It grows while a block is walked."""

    __slots__ = ("_own", "_parent")

    def __init__(self, parent: Scope | None = None, *symbols: Symbol) -> None:
        self._parent = parent
        self._own = {symbol.name: symbol for symbol in symbols}

    def add(self, symbol: Symbol) -> None:
        """Makes a name visible from here on."""
        self._own[symbol.name] = symbol

    def get(self, name: str) -> Symbol | None:
        """What a name stands for."""
        found = self._own.get(name)
        return found or (self._parent.get(name) if self._parent else None)

    def names(self) -> set[str]:
        """All names that may be read."""
        return set(self._own) | (self._parent.names() if self._parent else set())


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A value where it stands. ``scope`` is right until the next place is asked for.

    ``step`` is None in the header of a workflow and in an entity.
    """

    value: Value
    scope: Scope
    role: Role
    step: model.Step | None


Places: TypeAlias = Iterator[Place]


def root(name: str, step: model.Step | None = None) -> Symbol:
    """A name that the engine gives."""
    return Symbol(name=name, kind=Kind.ROOT, step=step)


def base_scope() -> Scope:
    """The names that are visible everywhere in a workflow."""
    return Scope(None, *map(root, ROOTS))


def some(step: model.Step | None, scope: Scope, role: Role, *values: Value | int | None) -> Places:
    """The places of those values that are there and not already read as a number."""
    for value in values:
        if value is not None and not isinstance(value, int):
            yield Place(value=value, scope=scope, role=role, step=step)
