"""Wrong SQL, each in one statement, that the comparison must find."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import bindparam, delete, false, insert, select, update
from sqlalchemy.sql.expression import Executable

from perdure.engine.store import entities, grooming, places, purge, schedules, subscriptions
from perdure.engine.store import statements as s
from perdure.engine.store import tables as t

Patch = Callable[[pytest.MonkeyPatch], None]

_TASK = (t.tasks.c.execution == bindparam("the_execution"), t.tasks.c.seq == bindparam("the_seq"))


def _put(module: object, name: str, statement: Executable) -> Patch:
    return lambda patch: patch.setattr(module, name, statement)


_given_back = (
    update(t.tasks)
    .where(*_TASK, bindparam("the_worker").is_not(None))
    .values(worker=None, deliveries=t.tasks.c.deliveries - 1)
)
_not_counted = (
    update(t.tasks).where(*_TASK).values(worker=bindparam("worker"), silent_at=bindparam("silent_at"))
)
_any_status = (
    update(t.instances)
    .where(
        t.instances.c.id == bindparam("the_id"),
        t.instances.c.execution == bindparam("the_execution"),
        bindparam("the_status").is_not(None),
    )
    .values(dict(s.INSTANCE_UPDATE._values or {}))
)
_any_version = (
    update(t.entities)
    .where(
        t.entities.c.id == bindparam("the_id"),
        t.entities.c.incarnation == bindparam("the_incarnation"),
        bindparam("the_version").is_not(None),
    )
    .values(dict(entities.ENTITY_UPDATE._values or {}))
)

MUTANTS: dict[str, Patch] = {
    "the_dead_pass_the_fence": _put(
        s, "FENCE", select(s._STORED_TIME).where(t.workers.c.id == bindparam("the_id"))
    ),
    "a_task_is_given_back_by_anybody": _put(s, "TASK_GIVE_BACK", _given_back),
    "a_delivery_is_not_counted": _put(s, "TASK_CLAIM", _not_counted),
    "an_instance_in_any_status_is_changed": _put(s, "INSTANCE_UPDATE", _any_status),
    "an_entity_of_any_version_is_changed": _put(entities, "ENTITY_UPDATE", _any_version),
    "history_is_inserted_or_ignored": _put(s, "HISTORY_INSERT", insert(t.history).prefix_with("OR IGNORE")),
    "a_message_comes_twice": _put(
        s, "INBOX_INSERT", s.INBOX_INSERT.prefix_with("OR REPLACE")
    ),
    "held_messages_stay_held": _put(
        s, "INBOX_UNHOLD", update(t.inbox).where(t.inbox.c.ord.in_(s._FIRST_HELD)).values(held=1)
    ),
    "a_place_is_not_given": _put(
        places, "INSTANCE_ADMIT",
        update(t.instances).where(t.instances.c.id == bindparam("the_id"), false()).values(waits=0),
    ),
    "a_purge_leaves_timers": lambda patch: patch.delitem(purge.BY_EXECUTION, "timers"),
    "the_purge_takes_those_that_expire_later": _put(
        grooming, "EXPIRED",
        select(t.instances.c.ended_at, t.instances.c.id)
        .where(t.instances.c.purge_at <= bindparam("now") + 1_000_000, t.instances.c.ended_at.is_not(None))
        .order_by(t.instances.c.purge_at, t.instances.c.id).limit(bindparam("limit")),
    ),
    "a_schedule_of_any_revision_is_deleted": _put(
        schedules, "SCHEDULE_DELETE",
        delete(t.schedules).where(
            t.schedules.c.id == bindparam("the_id"), bindparam("the_revision").is_not(None)
        ),
    ),
    "a_wait_that_is_over_is_found": _put(subscriptions, "DELETE", delete(t.subscriptions).where(
        t.subscriptions.c.execution == bindparam("the_execution"),
        t.subscriptions.c.number == bindparam("the_number"), false())),
}  # fmt: skip
"""What each of them does; ``python -m tests.differential --mutant NAME`` looks for one."""
