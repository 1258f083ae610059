"""The lines of a tree that is taller than its terminal: those that matter now stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

ACTIVE = frozenset({"running", "waiting", "retry"})
_SUMMARIES = 2


class Line(NamedTuple):
    """A step: its state by the name of a glyph, what stands before the glyph, and what after it."""

    state: str
    indent: str
    words: str


def folded(lines: Sequence[Line], room: int) -> list[Line]:
    """At most ``room`` lines (three at least), in their order.

    What is active stays first of all, then what failed or timed out, then what is nearest to where the work
    is. The first line counts what is done and hidden, the last one everything else that is.
    """
    if len(lines) <= room:
        return list(lines)
    at = max((index for index, line in enumerate(lines) if line.state), default=0)
    at = max((index for index, line in enumerate(lines) if line.state in ACTIVE), default=at)
    order = sorted(range(len(lines)), key=lambda index: (_rank(lines[index]), abs(index - at)))
    kept = set(order[: max(room - _SUMMARIES, 1)])
    hidden = [line.state for index, line in enumerate(lines) if index not in kept]
    done = hidden.count("done")
    above = [Line("done", "  ", f" {_steps(done)} done")] if done else []
    below = ", ".join(_rest(hidden))
    shown = [line for index, line in enumerate(lines) if index in kept]
    return [*above, *shown, *([Line("", "  ", f" {below}")] if below else [])]


def _rank(line: Line) -> int:
    if line.state in ACTIVE:
        return 0
    return 1 if line.state in {"failed", "late"} else 2


def _rest(hidden: Sequence[str]) -> Iterator[str]:
    for count, what in (
        (sum(state in ACTIVE for state in hidden), "more running or waiting"),
        (hidden.count("failed"), "more failed"),
        (hidden.count("late"), "more timed out"),
        (hidden.count("skipped"), "not run"),
        (hidden.count(""), "to come"),
    ):
        if count:
            yield f"{_steps(count)} {what}"


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count} steps"
