"""The end of an instance's rows: all that any table has of it is deleted in one transaction.

Requests stay: they say what was carried out, and are forgotten by their age. So do messages that can be
handed out now: they may be in the memory of the slot's owner, who finds no instance and makes dead letters
of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from perdure.engine.errors import Refused
from perdure.engine.instance import Instance
from perdure.engine.store import statements as s
from perdure.engine.store.records import to_instance
from perdure.engine.store.transaction import Transaction


def replace(tx: Transaction, ids: Collection[str]) -> None:
    """Make room for new instances of these ids. Raises ``Refused`` where one has not ended."""
    present = [to_instance(row) for id_ in sorted(ids) if (row := tx.row(s.INSTANCE, the_id=id_))]
    for each in present:
        if not each.status.ended:
            raise Refused(f"The instance {each.id!r} to be replaced has not ended.")
    remove(tx, present)


def remove(tx: Transaction, instances: Sequence[Instance]) -> dict[str, int]:
    """Delete these instances, which have ended, from every table; returns how many rows of each."""
    ids = sorted((each.id,) for each in instances)
    executions = sorted((each.execution,) for each in instances)
    due = [{"the_instance": id_, "now": tx.now} for (id_,) in ids]
    return {
        "instances": tx.tuples(s.INSTANCE_DELETE, ids),
        "instance_tags": tx.tuples(s.TAGS_DELETE, ids),
        "payloads": tx.tuples(s.PAYLOADS_DELETE, ids),
        "history": tx.tuples(s.HISTORY_DELETE, ids),
        "inbox": tx.tuples(s.INBOX_DELETE_HELD, ids) + tx.mappings(s.INBOX_DELETE_TIMED, due),
        "timers": tx.tuples(s.TIMERS_DELETE, executions),
        "tasks": tx.tuples(s.TASKS_DELETE, executions),
        "dead_letters": tx.tuples(s.DEAD_LETTERS_DELETE, ids),
    }
