"""Instances that wait for a place: at most so many of one concurrency key go on at a time.

What has a place is counted from the rows of instances in the transaction that changes them, so there is
nothing that a crash could leave behind: an instance of the key that has not ended and does not wait has one.
Whatever inserts an instance, or ends one, gives the places that are free to those that wait longest. Until
then an instance's first message is due at no time.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, func, literal_column, select, update

from perdure.engine.instance import Instance
from perdure.engine.store import tables as t
from perdure.engine.store.rows import WAITING
from perdure.engine.store.transaction import Transaction

_c = t.instances.c
_OPEN = (_c.concurrency_key == bindparam("key"), _c.ended_at.is_(None))

PLACES_TAKEN = select(func.count()).where(*_OPEN, _c.waits == literal_column("0"))
FIRST_WAITING = (
    select(_c.id, _c.execution, _c.concurrency_limit)
    .where(*_OPEN, _c.waits == literal_column("1"))
    .order_by(_c.created_at, _c.id)
    .limit(literal_column("1"))
)
INSTANCE_ADMIT = update(t.instances).where(_c.id == bindparam("the_id")).values(waits=literal_column("0"))
START_RELEASE = (
    update(t.inbox)
    .where(t.inbox.c.id == bindparam("the_id"), t.inbox.c.due >= literal_column(str(WAITING)))
    .values(due=t.inbox.c.due - literal_column(str(WAITING)))
)


def lock(tx: Transaction, instances: Iterable[Instance]) -> None:
    """Let nobody else count the places of the keys of those that are to be inserted, or have ended.

    Before any of their rows is changed, so that nobody waits here who keeps others waiting.
    """
    for key in sorted({each.concurrency_key for each in instances if each.concurrency_key is not None}):
        tx.lock(f"places of {key}")


def fill(tx: Transaction, new: Iterable[Instance], ended: Iterable[Instance]) -> None:
    """Give free places to those that wait, after instances were inserted or have ended; see ``lock``."""
    ended = [each for each in ended if each.concurrency_key is not None]
    # One that ended before it began needs no start any more.
    tx.tuples(START_RELEASE, [(start_id(each.execution),) for each in ended])
    keys = {each.concurrency_key for each in [*new, *ended] if each.concurrency_key is not None}
    for key in sorted(keys):
        _fill(tx, key)


def _fill(tx: Transaction, key: str) -> None:
    count = tx.row(PLACES_TAKEN, key=key)
    taken = 0 if count is None else int(count[0])
    while (row := tx.row(FIRST_WAITING, key=key)) is not None and taken < row[2]:
        tx.run(INSTANCE_ADMIT, the_id=row[0])
        tx.run(START_RELEASE, the_id=start_id(row[1]))
        taken += 1


def start_id(execution: str) -> str:
    """The id of an execution's first message."""
    return f"{execution}/start"
