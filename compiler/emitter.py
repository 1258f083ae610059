"""Where instructions are put down while their jump targets are not known yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perdure.compiler.ir import Op


@dataclass(eq=False, slots=True)
class Label:
    """A place in the code; ``at`` is its instruction's index once it is placed."""

    at: int | None = None


class Emitter:
    """An instruction list in the making. Arguments of instructions may be labels."""

    def __init__(self) -> None:
        self._pending: list[tuple[type[Op], dict[str, Any]]] = []

    def emit(self, op: type[Op], **arguments: Any) -> None:
        """Append an instruction."""
        self._pending.append((op, arguments))

    def place(self, label: Label) -> None:
        """Let the label mean the next instruction."""
        assert label.at is None, "a label is placed once"
        label.at = len(self._pending)

    def here(self) -> Label:
        """A label that means the next instruction."""
        return Label(len(self._pending))

    def finish(self) -> tuple[Op, ...]:
        """All instructions, with labels replaced by indexes."""
        return tuple(
            op(**{name: _resolved(value) for name, value in arguments.items()})
            for op, arguments in self._pending
        )


def _resolved(value: Any) -> Any:
    if isinstance(value, Label):
        assert value.at is not None, "a label that is used is placed"
        return value.at
    if isinstance(value, tuple):
        return tuple(_resolved(item) for item in value) if type(value) is tuple else value
    return value
