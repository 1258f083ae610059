"""Names to slots while lowering.

Steps keep their names as slots. Names that an inner construct may take again (``index``, ``error``,
``result``) get a numbered slot each, so that the outer one is still there afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from perdure.compiler.ir import ENVIRONMENT, Code
from perdure.dsl.expr.ast import Value
from perdure.dsl.expr.names import names_of


class Scope:
    """The names that are visible at the place that is being lowered."""

    def __init__(self) -> None:
        self._slots: dict[str, str] = {}
        self._count = 0

    def fresh(self, name: str) -> str:
        """A slot that no name of the document can have."""
        self._count += 1
        return f"{name}#{self._count}"

    def declare(self, name: str, slot: str | None = None) -> str:
        """Make ``name`` read ``slot`` (its own name by default) from here on."""
        self._slots[name] = slot or name
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

    def code(self, value: Value, **extra: str) -> Code:
        """The value with the slots that its names read here; ``extra`` names come first."""
        slots = {**self._slots, **extra}
        names = dict.fromkeys(use.name for use in names_of(value))
        reads = tuple((name, slots[name]) for name in names if name not in ENVIRONMENT)
        return Code(value, reads)
