"""Names to slots while lowering.

Steps keep their names as slots. Names that an inner construct may take again (``index``, ``error``,
``result``) get a numbered slot each, so that the outer one is still there afterwards; so do all names in
the body of a function, which knows nothing of the names around its call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perdure.compiler.ir import ENVIRONMENT, Code
from perdure.dsl.expr.ast import Value
from perdure.dsl.expr.names import names_of


class Scope:
    """The names that are visible at the place that is being lowered.

    ``environment`` are the names that need no slot.
    """

    def __init__(self, environment: frozenset[str] = ENVIRONMENT) -> None:
        self._environment = environment
        self._slots: dict[str, str] = {}
        self._count = 0
        self._numbers_all = False

    def fresh(self, name: str) -> str:
        """A slot that no name of the document can have."""
        self._count += 1
        return f"{name}#{self._count}"

    def own(self, name: str) -> str:
        """The slot of a name that the document gives: the name itself, but not in a function."""
        return self.fresh(name) if self._numbers_all else name

    def declare(self, name: str, slot: str | None = None) -> None:
        """Make ``name`` read ``slot`` (its own name by default) from here on."""
        self._slots[name] = slot or name

    def slot(self, name: str) -> str:
        """The slot that a visible name reads."""
        return self._slots[name]

    @contextmanager
    def nested(self, **names: str) -> Iterator[None]:
        """A block: what is declared inside, and ``names``, is forgotten at its end."""
        outer = self._slots
        self._slots = {**outer, **names}
        try:
            yield
        finally:
            self._slots = outer

    @contextmanager
    def function(self, **names: str) -> Iterator[None]:
        """The body of a function: it sees ``names`` and none of the names around it."""
        outer, numbers_all = self._slots, self._numbers_all
        self._slots, self._numbers_all = names, True
        try:
            yield
        finally:
            self._slots, self._numbers_all = outer, numbers_all

    def code(self, value: Value, **extra: str) -> Code:
        """The value with the slots that its names read here; ``extra`` names come first."""
        slots = {**self._slots, **extra} if extra else self._slots
        names = dict.fromkeys(use.name for use in names_of(value))
        reads = ((name, slots[name]) for name in names if name in slots or name not in self._environment)
        return Code(value, tuple(reads))

    def reads(self, value: Value, name: str) -> bool:
        """Whether the value reads a name of the environment for which there is no slot."""
        return name not in self._slots and any(use.name == name for use in names_of(value))
