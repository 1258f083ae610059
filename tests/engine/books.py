"""What sagas have to undo, read off a history without anything of the engine's own bookkeeping.

What was done joins the list of the saga around it; a saga that ends well (its last step, whose name begins
with ``mark``, has completed) hands its list on; each undo that completes must be the last of a list. In the
end no list may have anything left. What undoes a step with a text has its idempotency key.
"""

from __future__ import annotations

from collections.abc import Sequence

from perdure.compiler import ir
from perdure.engine.events import Event, TaskCompleted, TaskScheduled
from perdure.engine.linked import LinkedProgram

UNDO = "/compensate"


class Books:
    """What stands to be undone in each saga, by its path, as the history tells."""

    def __init__(self) -> None:
        self.lists: dict[str, dict[str, str]] = {}
        self.undone: list[str] = []

    def done(self, path: str, key: str) -> None:
        """A step has happened, or may have."""
        saga = _around(path)
        assert saga is not None, path
        entries = self.lists.setdefault(saga, {})
        entries.pop(path, None)
        entries[path] = key

    def well(self, mark: str) -> None:
        """A saga has ended well: what it has goes to the one around it."""
        saga = _around(mark)
        assert saga is not None, mark
        entries, around = self.lists.pop(saga, {}), _around(saga)
        if around is not None:
            kept = self.lists.setdefault(around, {})
            for path, key in entries.items():
                kept.pop(path, None)
                kept[path] = key

    def undo(self, path: str, key: str | None) -> None:
        """A step was undone (under its key, as far as that is told): it was the last one of a saga's list."""
        lists = [saga for saga, entries in self.lists.items() if path in entries]
        assert len(lists) == 1, (path, lists)
        last, known = list(self.lists[lists[0]].items())[-1]
        assert last == path, f"{path} is undone before {last}"
        assert key in {None, known}, f"{path} is undone as {key}, and was done as {known}"
        assert known not in self.undone, f"{path} is undone twice"
        self.undone.append(known)
        del self.lists[lists[0]][path]


def _around(path: str) -> str | None:
    """The path of the innermost saga around a step."""
    saga, inside, _ = path.rpartition("/saga/")
    return saga if inside else None


def audit(program: LinkedProgram, events: Sequence[Event]) -> Books:
    """Read a history, and check it."""
    books = Books()
    for event in events:
        if isinstance(event, TaskScheduled):
            if _undoable(program, event.path, "attempted"):
                books.done(event.path, event.key)
        elif isinstance(event, TaskCompleted):
            asked = events[event.scheduled_seq]
            assert isinstance(asked, TaskScheduled)
            if asked.path.endswith(UNDO):
                key = asked.input if isinstance(asked.input, str) else None
                books.undo(asked.path.removesuffix(UNDO), key)
            elif asked.path.rpartition("/")[2].startswith("mark"):
                books.well(asked.path)
            elif _undoable(program, asked.path, "success"):
                books.done(asked.path, asked.key)
    return books


def _undoable(program: LinkedProgram, path: str, on: str) -> bool:
    """Whether the step at a path has a compensation of this kind: where ``Register`` stands tells."""
    place, steps = program.step_at(path), program.program.steps
    kinds = [type(op) for op in program.program.code if steps[op.step] == place]
    if ir.Register not in kinds:
        return False
    return (kinds.index(ir.Register) < kinds.index(ir.Call)) == (on == "attempted")
