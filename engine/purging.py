"""Purging for clients: what has ended goes for good, by its id or by a filter, a bounded slice at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from perdure.engine import audit
from perdure.engine.caller import Caller
from perdure.engine.cursors import decode_cursor, encode_cursor, valid_limit
from perdure.engine.errors import Conflict, NotFound, UserError
from perdure.engine.filters import parse_filter
from perdure.engine.instance import ENDED, Status, status_of
from perdure.engine.store.rows import Condition, EndedQuery, InstanceQuery, Purged
from perdure.engine.views import parse_time

PURGE = "instance.purge"
EVERYTHING = "*"
"""What the audit calls the target of a purge by a filter."""


class Purging(Caller):
    """The part of a client that deletes."""

    def purge(
        self, instance_id: str, *, leave_running: bool = False, reason: str | None = None
    ) -> dict[str, Any]:
        """Delete an instance that has ended, with its descendants; ``rows`` counts those of each table.

        Raises ``NotFound``, and ``Conflict`` when it has not ended, or one of its children; with
        ``leave_running`` such a child stays and goes on.
        """
        left = leave_running or None
        entry = audit.entry(self.actor, PURGE, instance_id, reason=reason, leave_running=left)
        return _view(self.store.purge(instance_id, leave_running=leave_running, audit=entry))

    def purge_many(
        self,
        *,
        statuses: Sequence[str] = (),
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        ended_from: str | None = None,
        ended_before: str | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        older_than: float | None = None,
        query: str | None = None,
        dry_run: bool = False,
        reason: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """Delete a slice of the ended instances that match, those first that ended first.

        ``next`` is the cursor of the next slice. Times are RFC 3339, ``older_than`` is in seconds since the
        end. ``left`` are those that stay because a child of theirs runs. With ``dry_run`` nothing is deleted,
        and ``instances`` says how many match. A ``query`` is written as for lists; with it a dry run counts
        one slice. Raises ``UserError`` when nothing is said of which ones.
        """
        given = {
            "statuses": statuses,
            "name": name,
            "tags": tags,
            "ended_from": ended_from,
            "ended_before": ended_before,
            "created_from": created_from,
            "created_to": created_to,
            "older_than": older_than,
            "query": query,
        }
        said = {key: value for key, value in given.items() if value not in (None, (), [], {})}
        asked = EndedQuery(
            statuses=_ended_ones(statuses),
            name=name,
            tags=tuple(sorted((tags or {}).items())),
            ended_from=None if ended_from is None else parse_time(ended_from),
            ended_before=self._before(ended_before, older_than),
            created_from=None if created_from is None else parse_time(created_from),
            created_to=None if created_to is None else parse_time(created_to),
            after=None if cursor is None else decode_cursor(cursor, tuple[int, str]),
            limit=valid_limit(limit),
        )
        if not said:
            raise _no_filter()
        if query is not None:
            return self._purge_found(query, asked, reason, dry_run=dry_run)
        if dry_run:
            return {**_view(Purged(rows={})), "instances": self.store.count_ended(asked)}
        entry = audit.entry(self.actor, PURGE, EVERYTHING, reason=reason, filter=said)
        return _view(self.store.purge_ended(asked, entry))

    def _purge_found(
        self, query: str, asked: EndedQuery, reason: str | None, *, dry_run: bool
    ) -> dict[str, Any]:
        """The same of those that also a query finds, one by one. A dry run counts this slice alone."""
        times = {
            ("ended_at", ">="): asked.ended_from,
            ("ended_at", "<"): asked.ended_before,
            ("created_at", ">="): asked.created_from,
            ("created_at", "<="): asked.created_to,
        }
        where = [
            Condition(field=field, compares=sign, time=time)
            for (field, sign), time in times.items()
            if time is not None
        ]
        found = self.store.instances(
            InstanceQuery(
                statuses=asked.statuses or tuple(sorted(ENDED)),
                name=asked.name,
                tags=asked.tags,
                where=(*parse_filter(query, self.store.time()), *where),
                order="ended_at",
                ascending=True,
                chunks=False,
                after=asked.after,
                limit=asked.limit + 1,
            )
        )
        slice_, more = found[: asked.limit], len(found) > asked.limit
        last = slice_[-1] if more else None
        after = None if last is None or last.ended_at is None else (last.ended_at, last.id)
        if dry_run:
            return {**_view(Purged(rows={}, after=after)), "instances": len(slice_)}
        rows, left = Counter[str](), []
        for each in slice_:
            entry = audit.entry(self.actor, PURGE, each.id, reason=reason)
            try:
                rows.update(self.store.purge(each.id, leave_running=False, audit=entry).rows)
            except NotFound:
                continue  # it went with its parent
            except Conflict:
                left.append(each.id)
        return _view(Purged(rows=dict(rows), left=tuple(left), after=after))

    def _before(self, ended_before: str | None, older_than: float | None) -> int | None:
        before = None if ended_before is None else parse_time(ended_before)
        if older_than is None:
            return before
        age = self.store.time() - round(older_than * 1_000_000)
        return age if before is None else min(age, before)


def _ended_ones(statuses: Sequence[str]) -> tuple[Status, ...]:
    found = tuple(map(status_of, statuses))
    for status in found:
        if status not in ENDED:
            raise UserError(
                f"an instance that is {status} is not purged", hint=f"one of: {', '.join(sorted(ENDED))}"
            )
    return found


def _no_filter() -> UserError:
    error = UserError(
        "nothing says which instances are to be purged",
        hint="give a status, a name, a tag or a time of their end",
    )
    error.code = "no_filter"
    return error


def _view(done: Purged) -> dict[str, Any]:
    return {
        "instances": done.rows.get("instances", 0),
        "rows": {name: count for name, count in sorted(done.rows.items()) if count},
        "left": list(done.left),
        "next": None if done.after is None else encode_cursor(done.after),
    }
