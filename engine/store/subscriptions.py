"""Subscriptions in an SQL database: the part of ``protocol`` that has to do with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager

import msgspec
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from perdure.engine.store import statements as s
from perdure.engine.store import tables as t
from perdure.engine.store.races import retried
from perdure.engine.store.repeats import find_request, write_requests
from perdure.engine.store.rows import Publication, Request, SubscriptionRow
from perdure.engine.store.transaction import Transaction

_c = t.subscriptions.c
_THE_ROW = (_c.execution == bindparam("the_execution"), _c.number == bindparam("the_number"))

PUT = upsert(t.subscriptions).on_conflict_do_nothing(index_elements=["execution", "number"])
DELETE = delete(t.subscriptions).where(*_THE_ROW)
DELETE_ALL = delete(t.subscriptions).where(_c.execution == bindparam("the_execution"))
WAITED = (
    select(_c.digest, _c.op).where(_c.name == bindparam("the_name")).distinct().order_by(_c.digest, _c.op)
)
FOUND = (
    select(t.subscriptions)
    .where(
        _c.name == bindparam("the_name"),
        _c.digest == bindparam("the_digest"),
        _c.op == bindparam("the_op"),
        _c.key == bindparam("the_key"),
    )
    .order_by(_c.instance, _c.number)
    .with_for_update()
)
_names = [column.name for column in t.subscriptions.columns]


def write(
    tx: Transaction,
    made: Sequence[SubscriptionRow],
    ended: Iterable[tuple[str, int]],
    gone: Iterable[str],
) -> None:
    """Delete all of an execution, insert, then delete one by one.

    A number is never used again, so what is made and ended at once leaves nothing.
    """
    tx.tuples(DELETE_ALL, sorted((execution,) for execution in gone))
    tx.structs(PUT, sorted(made, key=lambda each: (each.execution, each.number)))
    tx.tuples(DELETE, sorted(ended))


class SqlSubscriptions(ABC):
    """The methods of a store."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...

    @abstractmethod
    def _write(self, *, quiet: bool = False) -> AbstractContextManager[Transaction]: ...

    def waited(self, name: str) -> list[tuple[str, int]]:
        with self._read() as tx:
            return [(digest, op) for digest, op in tx.rows(WAITED, the_name=name)]

    @retried
    def publish(
        self, publication: Publication, request: Request | None
    ) -> tuple[Request | None, tuple[str, ...]]:
        with self._write() as tx:
            if request is not None:
                before = find_request(tx, (request.route, request.target, request.key))
                if before is not None:
                    return before, ()
            taken = first_of_each(_found(tx, publication))
            tx.tuples(DELETE, [(each.execution, each.number) for each in taken if each.once])
            tx.structs(s.INBOX_INSERT, [publication.message(each) for each in taken])
            ids = tuple(each.instance for each in taken)
            if request is not None and ids:
                answer = msgspec.json.encode(ids).decode()
                write_requests(tx, [msgspec.structs.replace(request, answer=answer)])
            return None, ids


def _found(tx: Transaction, publication: Publication) -> list[SubscriptionRow]:
    found = []
    for digest, op, key in publication.to:
        rows = tx.rows(FOUND, the_name=publication.name, the_digest=digest, the_op=op, the_key=key)
        found += [SubscriptionRow(**dict(zip(_names, row, strict=True))) for row in rows]
    return [msgspec.structs.replace(each, once=bool(each.once)) for each in found]


def first_of_each(rows: Iterable[SubscriptionRow]) -> list[SubscriptionRow]:
    """The oldest subscription of each instance, by instance: one event is for one wait of an instance."""
    ordered = sorted(rows, key=lambda each: (each.instance, each.number, each.execution))
    return list({each.instance: each for each in reversed(ordered)}.values())[::-1]
