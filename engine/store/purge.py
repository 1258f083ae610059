"""The end of an instance's rows: all that any table has of it is deleted in one transaction.

Its descendants that have ended go with it. Requests stay: they say what was carried out, and are forgotten
by their age. So do messages that can be handed out now: they may be in the memory of the slot's owner, who
finds no instance and makes dead letters of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, Table, bindparam, delete, literal_column, select

from perdure.engine.errors import Refused
from perdure.engine.instance import Instance
from perdure.engine.store import statements as s
from perdure.engine.store import tables as t
from perdure.engine.store.races import Raced
from perdure.engine.store.records import to_instance
from perdure.engine.store.transaction import Transaction

_INBOX = delete(t.inbox).where(t.inbox.c.instance == bindparam("key"))

# One that goes on again meanwhile, or is another one, stays.
INSTANCE_DELETE = delete(t.instances).where(
    t.instances.c.id == bindparam("key"),
    t.instances.c.execution == bindparam("execution"),
    t.instances.c.status == bindparam("status"),
)
INBOX_DELETE_HELD = _INBOX.where(t.inbox.c.held)
# The order of the parameters is that of the rows which are given.
INBOX_DELETE_TIMED = _INBOX.where(t.inbox.c.due > literal_column("0"), t.inbox.c.due > bindparam("now"))
CHUNKS = select(t.instances).where(
    t.instances.c.parent_id == bindparam("parent"), t.instances.c.chunk_of < bindparam("generation")
)
CHILDREN = (
    select(t.instances).where(t.instances.c.parent_id == bindparam("parent")).order_by(t.instances.c.id)
)


def _delete_by(table: Table, column: Column[Any]) -> Any:
    return delete(table).where(column == bindparam("key"))


BY_INSTANCE = {
    table.name: _delete_by(table, table.c.instance)
    for table in (t.instance_tags, t.payloads, t.history, t.heartbeats, t.dead_letters)
}
"""What is deleted by an instance's id."""
BY_EXECUTION = {
    table.name: _delete_by(table, table.c.execution) for table in (t.timers, t.tasks, t.subscriptions)
}
"""What is deleted by its present execution: none is left of those before."""


class Family(NamedTuple):
    """An instance with its descendants that have ended, and ids of children of theirs that have not."""

    ended: list[Instance]
    running: list[str]


def family(tx: Transaction, instance: Instance) -> Family:
    """Everybody who goes with an instance, itself first."""
    found, running = {instance.id: instance}, list[str]()
    level = [instance]
    while level:
        rows = [row for each in level for row in tx.rows(CHILDREN, parent=each.id)]
        level = []
        for child in map(to_instance, rows):
            if not child.status.ended:
                running.append(child.id)
            elif child.id not in found:
                found[child.id] = child
                level.append(child)
    return Family(list(found.values()), running)


def replace(tx: Transaction, ids: Collection[str]) -> None:
    """Make room for new instances of these ids. Raises ``Refused`` where one has not ended."""
    for id_ in sorted(ids):
        row = tx.row(s.INSTANCE, the_id=id_)
        if row is None:
            continue
        present = to_instance(row)
        if not present.status.ended:
            raise Refused(f"The instance {id_!r} to be replaced has not ended.")
        remove(tx, family(tx, present).ended)


def forget_chunks(tx: Transaction, forgotten: Sequence[tuple[str, int]]) -> None:
    """Delete the chunks of generations before those that are kept: nobody can read what they did."""
    for parent, generation in forgotten:
        for row in tx.rows(CHUNKS, parent=parent, generation=generation):
            chunk = to_instance(row)
            if chunk.status.ended:
                remove(tx, family(tx, chunk).ended)


def remove(tx: Transaction, instances: Sequence[Instance]) -> dict[str, int]:
    """Delete these instances, which have ended, from every table; returns how many rows of each."""
    present = sorted((each.id, each.execution, each.status.value) for each in instances)
    ids = [(id_,) for id_, _, _ in present]
    executions = sorted((each.execution,) for each in instances)
    counts = {"instances": tx.tuples(INSTANCE_DELETE, present)}
    if counts["instances"] != len(ids):
        raise Raced
    counts |= {name: tx.tuples(statement, ids) for name, statement in BY_INSTANCE.items()}
    counts |= {name: tx.tuples(statement, executions) for name, statement in BY_EXECUTION.items()}
    counts["inbox"] = tx.tuples(INBOX_DELETE_HELD, ids)
    counts["inbox"] += tx.tuples(INBOX_DELETE_TIMED, [(*id_, tx.now) for id_ in ids])
    return counts
