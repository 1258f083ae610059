"""The one exception that an evaluation raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


class EvalError(Exception):
    """An expression failed. ``position`` is (line, column) in the file, when known.

    The message carries the types of values and the names of fields, never values: they may be secret.
    A hint that takes long to find is a function: most errors that ``&&`` and ``||`` absorb are never shown.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        hint: str | Callable[[], str] | None = None,
        position: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.position = position
        self.cost = 0
        """Units that explaining it took."""
        self._hint = hint

    @property
    def hint(self) -> str | None:
        """What to write instead, if there is something to say."""
        return self._hint() if callable(self._hint) else self._hint


class LimitError(EvalError):
    """A limit was passed: not absorbed by ``&&`` and ``||``, and the same on every retry."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__("cel.limit", message, hint)


BUDGET = 1_000_000
MAX_TEXT = 4 << 20
MAX_ITEMS = 100_000

Budget = list[int]
"""What is left of the cost units of one evaluation, as its only item."""


def charge(budget: Budget, units: int) -> None:
    """Take ``units`` off; raises LimitError when nothing is left."""
    budget[0] -= units
    if budget[0] < 0:
        raise LimitError(
            f"the evaluation takes more than {BUDGET} steps", "work on smaller lists, or in an activity"
        )


def made_text(budget: Budget, length: int) -> None:
    """Account for a string or bytes about to be made."""
    if length > MAX_TEXT:
        raise LimitError(f"text of {length} characters is longer than the limit of {MAX_TEXT}")
    charge(budget, length // 64 + 1)


def check_items(count: int) -> None:
    """Refuse a list or map that would be too long."""
    if count > MAX_ITEMS:
        raise LimitError(f"{count} items are more than the limit of {MAX_ITEMS}")


def overflow(what: str = "the result") -> NoReturn:
    """Raise the error of a number out of range."""
    raise EvalError("cel.overflow", f"{what} does not fit in 64 bits")
