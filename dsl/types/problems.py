"""Problems of an expression, and what the parts of the checker share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from perdure.dsl.diagnostics import quote
from perdure.dsl.expr import ast
from perdure.dsl.expr.names import dotted_name
from perdure.dsl.types.kinds import NEVER, Type

LISTED = 20
"""Most names that a hint lists."""
OR_VALUE = "take the value out of the optional with .orValue(...)"

Bound: TypeAlias = Mapping[str, Type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong between two offsets of an expression. ``warning`` is whether it never fails."""

    kind: str
    message: str
    at: int
    end: int
    hint: str | None = None
    warning: bool = False


class Checking(ABC):
    """The check of one expression: the names it reads, the problems it has."""

    def __init__(self, names: Callable[[str], Type | None], tested: frozenset[str]) -> None:
        self.names = names
        self.tested = tested
        self.problems: list[Problem] = []

    def fail(
        self, message: str, at: int, end: int, hint: str | None = None, kind: str = "cel.no_overload"
    ) -> Type:
        """Notes what fails whenever it is evaluated."""
        self.problems.append(Problem(kind=kind, message=message, at=at, end=end, hint=hint))
        return NEVER

    def warn(self, kind: str, message: str, at: int, end: int, hint: str | None = None) -> None:
        """Notes what does not fail, but is hardly meant."""
        self.problems.append(Problem(kind=kind, message=message, at=at, end=end, hint=hint, warning=True))

    @abstractmethod
    def visit(self, node: ast.Node, bound: Bound) -> Type:
        """The type of a node, where ``bound`` are the names that macros bind."""


def called(node: ast.Node) -> str:
    """The value in a message: by its name where it has one."""
    name = dotted_name(node)
    return quote(name) if name else "this value"


def has_fields(fields: Iterable[str]) -> str:
    """A hint that lists the fields there are, or the first of many."""
    names = list(fields)
    shown = [*names[:LISTED], *(["…"] if len(names) > LISTED else [])]
    return f"it has: {', '.join(shown)}" if shown else "it has no fields"
