"""Purging by id, by a filter and by age: the part of ``protocol`` that has to do with what is over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, literal_column, select, tuple_

from perdure.engine.instance import ENDED, Instance
from perdure.engine.store import purge
from perdure.engine.store import statements as s
from perdure.engine.store import tables as t
from perdure.engine.store.auditing import write_audit
from perdure.engine.store.purgeable import check_ended, check_family
from perdure.engine.store.races import retried
from perdure.engine.store.records import to_instance
from perdure.engine.store.rows import AuditEntry, EndedQuery, Purged
from perdure.engine.store.transaction import Transaction

_c = t.instances.c
_ENDED = _c.status.in_([literal_column(f"'{status}'") for status in sorted(ENDED)])
_children = t.instances.alias("children")
_IS_WAITED_FOR = exists(
    select(_children.c.id).where(
        _children.c.parent_id == _c.id,
        _children.c.status.not_in([literal_column(f"'{status}'") for status in sorted(ENDED)]),
    )
)

EXPIRED = (
    select(_c.ended_at, _c.id)
    .where(_c.purge_at <= bindparam("now"), _ENDED, ~_IS_WAITED_FOR)
    .order_by(_c.purge_at, _c.id)
    .limit(bindparam("limit"))
)
REQUESTS_OLD = (
    select(t.requests.c.route, t.requests.c.target, t.requests.c.key)
    .where(t.requests.c.at < bindparam("before"))
    .order_by(t.requests.c.at, t.requests.c.route, t.requests.c.target, t.requests.c.key)
    .limit(bindparam("limit"))
)
REQUESTS_OLD_FREE = REQUESTS_OLD.with_for_update(skip_locked=True)


def ended(query: EndedQuery) -> Select[Any]:
    """Where the next instances of a filter are: their ends and ids. Its values stand in the statement."""
    found = select(_c.ended_at, _c.id).where(*_matches(query)).order_by(_c.ended_at, _c.id)
    if query.after is not None:
        found = found.where(tuple_(_c.ended_at, _c.id) > tuple_(*query.after))
    return found.limit(query.limit)


def count_ended(query: EndedQuery) -> Select[Any]:
    """How many there are."""
    return select(func.count()).select_from(t.instances).where(*_matches(query))


def _matches(query: EndedQuery) -> Iterable[ColumnElement[bool]]:
    yield _c.ended_at.is_not(None)
    yield _c.status.in_([str(status) for status in query.statuses]) if query.statuses else _ENDED
    if query.name is not None:
        yield _c.name == query.name
    if query.created_from is not None:
        yield _c.created_at >= query.created_from
    if query.created_to is not None:
        yield _c.created_at <= query.created_to
    if query.ended_from is not None:
        yield _c.ended_at >= query.ended_from
    if query.ended_before is not None:
        yield _c.ended_at < query.ended_before
    for tag, value in query.tags:
        tags = t.instance_tags.c
        yield _c.id.in_(select(tags.instance).where(tags.tag == tag, tags.value == value))


class SqlGrooming(ABC):
    """The methods of a store."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...

    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...

    @retried
    def purge(
        self, instance_id: str, *, leave_running: bool = False, audit: AuditEntry | None = None
    ) -> Purged:
        with self._write() as tx:
            present = check_ended(instance_id, _instance(tx, instance_id))
            found = purge.family(tx, present)
            check_family(instance_id, () if leave_running else found.running)
            rows = purge.remove(tx, found.ended)
            write_audit(tx, [audit])
        return Purged(rows=rows)

    @retried
    def purge_ended(self, query: EndedQuery, audit: AuditEntry | None = None) -> Purged:
        with self._read() as tx:
            # Looking takes long where few match, and must not keep others from writing.
            places: list[tuple[int, str]] = [(at, id_) for at, id_ in tx.rows_once(ended(query))]
        rows, left = Counter[str](), list[str]()
        last = None
        if places:
            with self._write() as tx:
                for last in places:
                    if not _remove(tx, last, _instance(tx, last[1]), rows):
                        left.append(last[1])
                    if rows.total() >= query.rows:
                        break
                if rows:
                    write_audit(tx, [audit])
        over = last == places[-1] and len(places) < query.limit if places else True
        return Purged(rows=dict(rows), left=tuple(left), after=None if over else last)

    def count_ended(self, query: EndedQuery) -> int:
        with self._read() as tx:
            ((count,),) = tx.rows_once(count_ended(query))
        return int(count)

    @retried
    def groom(self, limit: int, most_rows: int) -> Purged:
        with self._read() as tx:
            found = [(at, id_) for at, id_ in tx.rows(EXPIRED, now=tx.now, limit=limit)]
        rows = Counter[str]()
        if found:
            with self._write(quiet=True) as tx:
                for place in found:
                    _remove(tx, place, _instance(tx, place[1], s.INSTANCE_FREE), rows)
                    if rows.total() >= most_rows:
                        break
        return Purged(rows=dict(rows))

    @retried
    def forget_requests(self, before: int, limit: int) -> int:
        with self._read() as tx:
            found = tx.rows(REQUESTS_OLD, before=before, limit=limit)
        if not found:
            return 0
        with self._write(quiet=True) as tx:
            found = tx.rows(REQUESTS_OLD_FREE, before=before, limit=limit)
            return tx.tuples(s.REQUEST_FORGET, sorted(found))


def _instance(tx: Transaction, instance_id: str, statement: Select[Any] = s.INSTANCE) -> Instance | None:
    row = tx.row(statement, the_id=instance_id)
    return None if row is None else to_instance(row)


def _remove(tx: Transaction, place: tuple[int, str], present: Instance | None, rows: Counter[str]) -> bool:
    """Purge an instance that was found before, and count its rows; False when a child of it runs.

    Meanwhile it may be gone, go on again, or be another one.
    """
    ended_at, _ = place
    if present is None or not present.status.ended or present.ended_at != ended_at:
        return True
    found = purge.family(tx, present)
    if found.running:
        return False
    rows.update(purge.remove(tx, found.ended))
    return True
