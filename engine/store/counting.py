"""How much of everything there is in a hub, by indexes and up to a bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    not_,
    select,
)

from perdure.engine.instance import Status
from perdure.engine.store import tables as t
from perdure.engine.store.rows import Counts
from perdure.engine.store.transaction import Transaction

MOST_QUEUES = 1_000
DEFAULT = ""
LAST_PRIVATE = "@\U0010ffff"
"""Queues that steps may name come after this one: private ones begin with ``@``, and no name does."""


def _bounded(table: Table, *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
    rows: Select[Any] = (
        select(literal_column("1")).select_from(table).where(*conditions).limit(bindparam("most"))
    )
    return select(func.count()).select_from(rows.subquery()).scalar_subquery()


_STATUSES = [str(each) for each in Status]
COUNTS = select(
    *(_bounded(t.instances, t.instances.c.status == literal_column(f"'{each}'")) for each in _STATUSES),
    _bounded(t.tasks, t.tasks.c.worker.is_not(None)),
    _bounded(t.inbox, not_(t.inbox.c.held)),
    _bounded(t.inbox, t.inbox.c.held),
    _bounded(t.timers),
    _bounded(t.dead_letters),
)
NEXT_QUEUE = (
    select(t.tasks.c.queue)
    .where(t.tasks.c.worker.is_(None), t.tasks.c.queue > bindparam("queue"))
    .order_by(t.tasks.c.queue)
    .limit(literal_column("1"))
)
WAITING = select(
    _bounded(t.tasks, t.tasks.c.queue == bindparam("queue"), t.tasks.c.worker.is_(None)).label("waiting")
)


class SqlCounting(ABC):
    """The method of a store in an SQL database."""

    @abstractmethod
    def _read(self) -> AbstractContextManager[Transaction]: ...

    def counts(self, most: int) -> Counts:
        with self._read() as tx:
            ((*counted,),) = tx.rows(COUNTS, most=most)
            statuses, rest = counted[: len(_STATUSES)], counted[len(_STATUSES) :]
            queues = _queues(tx, most)
        claimed, messages, held, timers, letters = rest
        return Counts(
            instances=dict(zip(_STATUSES, statuses, strict=True)),
            queues=queues,
            tasks_claimed=claimed,
            messages=messages,
            messages_held=held,
            timers=timers,
            dead_letters=letters,
        )


def _queues(tx: Transaction, most: int) -> dict[str, int]:
    found: dict[str, int] = {}
    name: str | None = DEFAULT
    while name is not None and len(found) < MOST_QUEUES:
        ((waiting,),) = tx.rows(WAITING, queue=name, most=most)
        if waiting:
            found[name] = waiting
        row = tx.row(NEXT_QUEUE, queue=LAST_PRIVATE if name == DEFAULT else name)
        name = None if row is None else row[0]
    return found
