"""What can be wrong with an expression before it runs."""

from __future__ import annotations

from dataclasses import dataclass

from perdure.dsl.source import Position


class ExprError(Exception):
    """The text is not an expression; ``at`` and ``end`` are code point offsets in that text."""

    def __init__(
        self, kind: str, message: str, at: int, end: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.at = at
        self.end = at + 1 if end is None else end
        self.hint = hint

    def shifted(self, offset: int) -> ExprError:
        """The same error in a text that has ``offset`` more characters before."""
        return ExprError(self.kind, self.message, self.at + offset, self.end + offset, self.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExprProblem:
    """One finding of the checker, at its place in the file; ``length`` counts code points."""

    kind: str
    message: str
    position: Position
    length: int
    hint: str | None = None
