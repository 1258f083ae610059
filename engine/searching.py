"""Events of a history that somebody looks for: by type, by step, those that failed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from perdure.engine.codec import decode_events
from perdure.engine.events import Event, ExecutionCompleted
from perdure.engine.instance import Instance
from perdure.engine.programs import Programs
from perdure.engine.statistics import step_path
from perdure.engine.store.protocol import Store
from perdure.engine.views import row_views

PAGE = 1000


def search(
    store: Store,
    programs: Programs,
    instance: Instance,
    generation: int,
    after: int,
    limit: int,
    *,
    types: Collection[str] = (),
    step: str | None = None,
    failed: bool = False,
) -> tuple[list[dict[str, Any]], int | None]:
    """Events from the number ``after`` on for which all that is said holds, and where more may be.

    ``step`` is a name or a path, of which keys of items may be left out. What answers a step belongs to it,
    so the history is read from its beginning.
    """
    program = programs.all([instance.digest])[instance.digest]
    named: set[str] = (
        set()
        if isinstance(program, str)
        else {path for path, found in program.steps.items() if step in {found.name, path}}
    )
    paths: dict[int, str] = {}
    items: list[dict[str, Any]] = []
    at = 0
    while rows := store.history(instance.id, generation, at, PAGE):
        for row in rows:
            at = row.next_seq
            numbers = set()
            for seq, event in enumerate(decode_events(row.events), row.first_seq):
                path = paths[seq] = step_path(event, paths)
                kind = type(event).__struct_config__.tag
                fits = (not types or kind in types) and (not failed or _tells_of_failure(event, str(kind)))
                if fits and (step is None or path in named or getattr(event, "path", path) == step):
                    numbers.add(seq)
            if numbers and at > after:
                items += [each for each in row_views(row) if each["seq"] in numbers and each["seq"] >= after]
            if len(items) >= limit:
                return items, at
    return items, None


def _tells_of_failure(event: Event, kind: str) -> bool:
    """Of what went wrong under way, or of an end as ``Failed``: also one of which nothing under way tells."""
    return kind.endswith("Failed") or (isinstance(event, ExecutionCompleted) and event.status == "Failed")
