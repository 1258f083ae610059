"""Instances for clients: what there is to see of them, and when they end."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from perdure.engine import clock, queries
from perdure.engine.caller import Caller, missing
from perdure.engine.codec import is_key
from perdure.engine.cursors import decode_cursor, encode_cursor, valid_limit
from perdure.engine.errors import NotFound, Unfit
from perdure.engine.filters import parse_filter, read_order
from perdure.engine.instance import Instance, status_of
from perdure.engine.requests import outcome
from perdure.engine.searching import search
from perdure.engine.standing import state_view
from perdure.engine.store.rows import InstanceQuery
from perdure.engine.suspects import PARKED
from perdure.engine.views import instance_row, instance_view, parse_time, row_views
from perdure.engine.waiting import replayed, waiting_for

PAGE = 1000
"""Rows of a history that are read at once."""
POLL = 0.05
"""Seconds between looks at an instance that another process runs."""
OWNED_POLL = 1.0
"""The same for one that this process runs, which tells when it changes."""


class Looking(Caller):
    """The part of a client that reads."""

    def instance(self, instance_id: str) -> dict[str, Any]:
        """The document of an instance. Raises ``NotFound``."""
        (found,) = self.documents([instance_id])
        if isinstance(found, Exception):
            raise found
        return found

    def documents(self, ids: Sequence[str]) -> list[dict[str, Any] | Exception]:
        """What ``instance`` returns or raises for each of them, as of one moment."""
        try:
            found = self.store.with_payloads(ids)
        except Unfit as error:
            # A text that this database does not hold is the fault of one of them.
            return [error] if len(ids) == 1 else [self.documents([each])[0] for each in ids]
        return [outcome(instance_view, *found[each]) if each in found else missing(each) for each in ids]

    def wait(self, instance_id: str, timeout: float | None = None) -> dict[str, Any]:
        """The document of an instance once it has ended, or as it is after ``timeout`` seconds."""
        changed = threading.Event()
        undo = None if self.worker is None else self.worker.watch(instance_id, changed.set)
        deadline = None if timeout is None else clock.monotonic() + timeout
        try:
            while not self._row(instance_id).status.ended:
                left = None if deadline is None else deadline - clock.monotonic()
                if left is not None and left <= 0:
                    break
                owned = self.worker is not None and self.worker.owns(instance_id)
                poll = OWNED_POLL if owned else POLL
                clock.wait(changed, poll if left is None else min(left, poll))
                changed.clear()
        finally:
            if undo is not None:
                undo()
        return self.instance(instance_id)

    def instances(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        id_prefix: str = "",
        created_from: str | None = None,
        created_to: str | None = None,
        query: str | None = None,
        sort: str | None = None,
        chunks: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Instances, newest first, without their payloads: ``items`` and the ``next`` cursor.

        All that is said must hold; what a ``query`` may say is in ``filters``. ``sort`` is ``created``,
        ``ended`` or ``id``, with ``:asc`` or ``:desc``; by ``ended`` those are left out that have not. Those
        that are ``chunks`` of a fan-out are left out unless they are asked for. ``created_from`` and
        ``created_to`` (RFC 3339) belong to the range. Raises ``UserError`` for an unknown status, a bad
        query, order, time, cursor or limit.
        """
        order, ascending = read_order(sort)
        limit = valid_limit(limit)
        asked = InstanceQuery(
            statuses=tuple(status_of(each) for each in statuses),
            name=name,
            tags=tuple(sorted((tags or {}).items())),
            id_prefix=id_prefix,
            created_from=None if created_from is None else parse_time(created_from),
            created_to=None if created_to is None else parse_time(created_to),
            where=() if query is None else parse_filter(query, self.store.time()),
            order=order,
            ascending=ascending,
            chunks=chunks,
            after=None if cursor is None else _place(cursor, order),
            limit=limit + 1,
        )
        found = self.store.instances(asked)
        more = len(found) > limit
        last = found[limit - 1] if more else None
        return {
            "items": [instance_row(each) for each in found[:limit]],
            "next": None if last is None else encode_cursor((getattr(last, order), last.id)),
        }

    def history(
        self,
        instance_id: str,
        *,
        generation: int | None = None,
        types: Sequence[str] = (),
        step: str | None = None,
        failed: bool = False,
        cursor: str | None = None,
        limit: int = 200,
    ) -> dict[str, Any]:
        """Events of a generation (the present one by default), oldest first: ``items`` and ``next``.

        Of some ``types`` alone, of one ``step`` (its name or its path), or those that ``failed``. A page ends
        with a turn: it may have more than ``limit`` events. Raises ``NotFound``, also for a generation that
        has not been or is not kept.
        """
        limit = valid_limit(limit)
        row = self._row(instance_id)
        if generation is not None and cursor is None:
            self._check_generation(row, generation)
        after = 0
        if cursor is not None:
            generation, after = decode_cursor(cursor, tuple[int, int])
        generation = row.generation if generation is None else generation
        if types or step is not None or failed:
            found, place = search(
                self.store,
                self._programs,
                row,
                generation,
                after,
                limit,
                types=types,
                step=step,
                failed=failed,
            )
            return {"items": found, "next": None if place is None else encode_cursor((generation, place))}
        items: list[dict[str, Any]] = []
        more = True
        while more and len(items) < limit:
            rows = self.store.history(instance_id, generation, after, limit)
            more = len(rows) == limit
            for each in rows:
                items += row_views(each)
                after = each.next_seq
                if len(items) >= limit:
                    more = True
                    break
        if more:
            more = bool(self.store.history(instance_id, generation, after, 1))
        return {"items": items, "next": encode_cursor((generation, after)) if more else None}

    def _check_generation(self, row: Instance, generation: int) -> None:
        """Raises ``NotFound`` unless it is the present one, or an earlier one that is kept."""
        if generation == row.generation:
            return
        if generation > row.generation:
            why = f"{row.id} has no generation {generation}"
        elif self.store.history(row.id, generation, 0, 1):
            return
        else:
            why = f"generation {generation} of {row.id} is not kept any more"
        before = f", and {row.generation - 1} is kept" if row.generation > 1 else ""
        raise NotFound(why, hint=f"the present one is {row.generation}{before}")

    def version_of(self, instance_id: str) -> dict[str, Any]:
        """The status of an instance, and a ``version`` that is another one whenever a turn was taken.

        Raises ``NotFound``.
        """
        row = self._row(instance_id)
        version = f"{row.generation}.{row.execution[-8:]}.{row.status}.{self._events(row)}"
        return {"id": row.id, "status": str(row.status), "version": version}

    def _events(self, row: Instance) -> int:
        """How many events the present generation has."""
        at = 0
        while rows := self.store.history(row.id, row.generation, at, PAGE):
            at = rows[-1].next_seq
        return at

    def payload(self, instance_id: str, key: str) -> Any:
        """A large value of an instance, by the key that its history shows. Raises ``NotFound``."""
        row = self._row(instance_id)
        text = self.store.payload(row.id, key) if is_key(key) else None
        if text is None:
            raise NotFound(
                f"instance {instance_id!r} has no value {key!r}",
                hint="keys are in the history, and go with the generations that it forgets",
            )
        return msgspec.json.decode(text)

    def waiting(self, instance_id: str) -> list[dict[str, Any]]:
        """What an instance waits for now, with the place in its file. Raises ``NotFound``."""
        row = self._row(instance_id)
        if row.status.ended:
            return []
        return waiting_for(self.store, row, self._programs)

    def state(self, instance_id: str) -> dict[str, Any]:
        """Where an instance stands by its committed history: its fibers and its variables.

        ``fibers`` is None for a history that cannot be replayed. Raises ``NotFound``.
        """
        row = self._row(instance_id)
        if (row.reason or "").startswith(PARKED):
            return state_view(row, None)  # its replay may kill whoever tries
        _, machine = replayed(self.store, row, self._programs)
        return state_view(row, machine)

    def query(self, instance_id: str, name: str) -> Any:
        """The answer to a query that the workflow declares, by the committed state; also when it has ended.

        Raises ``NotFound``, ``Conflict`` for a history that cannot be replayed, ``UserError`` with the code
        ``query`` when its expression fails.
        """
        return queries.ask(self.store, self._linked(self._row(instance_id).digest), instance_id, name)

    def error_status(self, document: Mapping[str, Any]) -> int | None:
        """The HTTP status that the workflow declares for the error of a failed instance, if it does."""
        error = document["error"]
        program = self._programs.all([document["digest"]])[document["digest"]]
        if error is None or isinstance(program, str):
            return None
        declared = program.program.errors.get(error["type"])
        return None if declared is None else declared.status


def _place(cursor: str, order: str) -> tuple[int | str, str]:
    """The last row of the page before, in this order. Raises ``UserError``."""
    if order == "id":
        return decode_cursor(cursor, tuple[str, str])
    return decode_cursor(cursor, tuple[int, str])
