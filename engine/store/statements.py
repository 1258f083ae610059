"""The statements, as SQLAlchemy Core builds them once at import; ``transaction`` turns them into text.

A statement's parameters are the names in it. Those of a plain ``insert`` are its columns; a key in a
WHERE clause is spelled ``the_<column>``, so that an UPDATE can set a column and look at what it was.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    and_,
    any_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    insert,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from perdure.engine.instance import Status
from perdure.engine.store import tables as t
from perdure.engine.store.rows import AuditQuery


def _is(column: Column[Any]) -> ColumnElement[bool]:
    return column == bindparam(f"the_{column.name}")


def _columns(table: Table, *without: str) -> list[Column[Any]]:
    return [column for column in table.columns if column.name not in without]


def _unnumbered(table: Table) -> dict[str, Any]:
    """Values of a row whose number the database makes; nobody asks for it, so the INSERT is ``inline``."""
    return {column.name: bindparam(column.name) for column in _columns(table, "ord")}


# -- membership -----------------------------------------------------------------------------------

# The stored time comes with the fence, so that no commit is dated before what another process said.
_STORED_TIME = select(t.meta.c.value).where(t.meta.c.key == "time").scalar_subquery()
_LIVE = (_is(t.workers.c.id), t.workers.c.state == "live")
FENCE = select(_STORED_TIME).where(*_LIVE)
RENEW = update(t.workers).where(*_LIVE).values(lease_until=bindparam("lease_until"))
META = select(t.meta.c.value).where(_is(t.meta.c.key))
SET_TIME = update(t.meta).where(t.meta.c.key == "time").values(value=bindparam("value"))

WORKER_INSERT = insert(t.workers)
WORKER_FORGET = delete(t.workers).where(
    t.workers.c.state != "live", t.workers.c.lease_until < bindparam("before")
)
WORKER_STATE = update(t.workers).where(*_LIVE).values(state=bindparam("state"))
WORKER_DRAIN = update(t.workers).where(*_LIVE).values(draining=true())
WORKERS = select(t.workers).where(t.workers.c.state == "live").order_by(t.workers.c.joined_at, t.workers.c.id)
# Nobody waits here: two may suspect each other, and who is stopped in a commit keeps its row for a while.
RIVALS = (
    select(t.workers.c.id, t.workers.c.lease_until)
    .where(
        t.workers.c.id.in_((bindparam("worker", type_=t.Text), bindparam("victim", type_=t.Text))),
        t.workers.c.state == "live",
    )
    .order_by(t.workers.c.id)
    .with_for_update(skip_locked=True)
)

SLOTS_FREE = update(t.slots).where(_is(t.slots.c.owner)).values(owner=null())
SLOTS_CRASHED = (
    update(t.slots).where(_is(t.slots.c.owner)).values(owner=null(), crashes=t.slots.c.crashes + 1)
)
SLOTS_PASS = update(t.slots).where(_is(t.slots.c.owner)).values(owner=bindparam("owner"))
_OTHERS = t.slots.alias("others")
SLOTS_TAKE_ALL = (
    update(t.slots)
    .where(
        t.slots.c.owner.is_(None),
        ~exists(select(_OTHERS.c.id).where(_OTHERS.c.owner != bindparam("owner"))),
    )
    .values(owner=bindparam("owner"))
)
_SOME_SLOTS = t.slots.c.id.in_(bindparam("slots", expanding=True))
SLOTS_TAKE = update(t.slots).where(t.slots.c.owner.is_(None), _SOME_SLOTS).values(owner=bindparam("owner"))
SLOTS_RELEASE = update(t.slots).where(_is(t.slots.c.owner), _SOME_SLOTS).values(owner=null())
SLOT_OWNERS = select(t.slots.c.id, t.slots.c.owner).where(t.slots.c.owner.is_not(None))
SLOTS_OF = select(t.slots.c.id).where(_is(t.slots.c.owner))
SLOTS_CRASHES = select(t.slots.c.id, t.slots.c.crashes).where(_is(t.slots.c.owner), t.slots.c.crashes > 0)
SLOTS_CALM = (
    update(t.slots)
    .where(_is(t.slots.c.owner), t.slots.c.crashes > literal_column("0"))
    .values(crashes=literal_column("0"))
)
SUSPECT_BEGIN = (
    update(t.instances)
    .where(_is(t.instances.c.id))
    .values(suspect=t.instances.c.suspect + literal_column("1"))
)
SUSPECT = select(t.instances.c.suspect).where(_is(t.instances.c.id))
SUSPECTED = select(t.instances.c.id, t.instances.c.suspect).where(t.instances.c.suspect > literal_column("0"))
SUSPECT_TRUST = update(t.instances).where(_is(t.instances.c.id)).values(suspect=literal_column("0"))
SLOTS_OWNED = (
    select(t.slots.c.owner, func.count()).where(t.slots.c.owner.is_not(None)).group_by(t.slots.c.owner)
)

TASKS_FREE = update(t.tasks).where(_is(t.tasks.c.worker)).values(worker=null())
TASKS_PASS = update(t.tasks).where(_is(t.tasks.c.worker)).values(worker=bindparam("worker"))

# -- a batch --------------------------------------------------------------------------------------

REQUEST_INSERT = insert(t.requests)
_THE_REQUEST = (_is(t.requests.c.route), _is(t.requests.c.target), _is(t.requests.c.key))
REQUEST_ANSWER = update(t.requests).where(*_THE_REQUEST).values(answer=bindparam("answer"))
REQUEST_FORGET = delete(t.requests).where(*_THE_REQUEST)
INSTANCE_INSERT = insert(t.instances)
_NEVER_CHANGED = ("id", "slot", "name", "created_at", "parent_id", "chunk_of", "concurrency_key")
_NOT_BY_TURNS = ("suspect", "concurrency_limit", "waits")
INSTANCE_UPDATE = (
    update(t.instances)
    .where(_is(t.instances.c.id), _is(t.instances.c.execution), _is(t.instances.c.status))
    .values(
        {
            column.name: bindparam(column.name)
            for column in _columns(t.instances, *_NEVER_CHANGED, *_NOT_BY_TURNS)
        }
    )
)
TAGS_DELETE = delete(t.instance_tags).where(_is(t.instance_tags.c.instance))
TAGS_INSERT = insert(t.instance_tags)
_PAYLOAD = upsert(t.payloads)
# What is kept for ever stays so; else it is kept for the latest generation that refers to it.
_GENERATION = case(
    (or_(t.payloads.c.generation.is_(None), _PAYLOAD.excluded.generation.is_(None)), null()),
    (t.payloads.c.generation > _PAYLOAD.excluded.generation, t.payloads.c.generation),
    else_=_PAYLOAD.excluded.generation,
)
PAYLOAD_PUT = _PAYLOAD.on_conflict_do_update(
    index_elements=list(t.payloads.primary_key),
    set_={"value": _PAYLOAD.excluded.value, "generation": _GENERATION},
)
PAYLOAD_FORGET = delete(t.payloads).where(
    _is(t.payloads.c.instance), t.payloads.c.generation < bindparam("generation")
)
PAYLOAD_DELETE = delete(t.payloads).where(_is(t.payloads.c.instance), _is(t.payloads.c.key))
HISTORY_FORGET = delete(t.history).where(
    _is(t.history.c.instance), t.history.c.generation < bindparam("generation")
)
HISTORY_DROP = delete(t.history).where(_is(t.history.c.instance), _is(t.history.c.generation))
HISTORY_INSERT = insert(t.history)
INBOX_DELETE = delete(t.inbox).where(_is(t.inbox.c.id))
INBOX_INSERT = insert(t.inbox).inline().values(_unnumbered(t.inbox))
INBOX_INSERT_NEW = (
    upsert(t.inbox).inline().values(_unnumbered(t.inbox)).on_conflict_do_nothing(index_elements=["id"])
)
INBOX_HOLD = update(t.inbox).where(_is(t.inbox.c.id)).values(held=true())
_FIRST_HELD = (
    select(t.inbox.c.ord)
    .where(_is(t.inbox.c.instance), t.inbox.c.held)
    .order_by(t.inbox.c.ord)
    .limit(bindparam("count"))
    .offset(literal_column("0"))
)
INBOX_UNHOLD = update(t.inbox).where(t.inbox.c.ord.in_(_FIRST_HELD)).values(held=false())
HELD_COUNT = select(func.count()).where(_is(t.inbox.c.instance), t.inbox.c.held)
TIMER_DELETE = delete(t.timers).where(_is(t.timers.c.execution), _is(t.timers.c.seq))
TIMER_INSERT = insert(t.timers)
TASK_DELETE = delete(t.tasks).where(_is(t.tasks.c.execution), _is(t.tasks.c.seq))
TASK_INSERT = insert(t.tasks)
DEAD_LETTER_INSERT = insert(t.dead_letters).inline().values(_unnumbered(t.dead_letters))
AUDIT_INSERT = insert(t.audit).inline().values(_unnumbered(t.audit))

# -- the owner's reads ----------------------------------------------------------------------------

INSTANCE = select(t.instances).where(_is(t.instances.c.id))
INSTANCE_FREE = INSTANCE.with_for_update(skip_locked=True)
HISTORY_ALL = (
    select(t.history)
    .where(_is(t.history.c.instance), _is(t.history.c.generation))
    .order_by(t.history.c.first_seq)
)
_LAST_OPEN = (
    select(t.history.c.open)
    .where(t.history.c.instance == t.instances.c.id, t.history.c.generation == t.instances.c.generation)
    .order_by(t.history.c.first_seq.desc())
    .limit(1)
    .scalar_subquery()
)


class BySlot(NamedTuple):
    """A SELECT over all slots, and the same over those in the parameter ``slots``.

    ``listed`` has an array for them, on PostgreSQL: its text is the same for any number of slots.
    """

    all: Select[Any]
    some: Select[Any]
    listed: Select[Any]


def by_slot(query: Select[Any], column: Column[Any]) -> BySlot:
    """A SELECT whose rows lie in slots that this column has."""
    listed = column == any_(bindparam("slots", type_=ARRAY(Integer)))
    return BySlot(query, query.where(column.in_(bindparam("slots", expanding=True))), query.where(listed))


_OPEN = or_(*(t.instances.c.status == literal_column(f"'{status}'") for status in Status if not status.ended))
_AFTER = t.instances.c.id > bindparam("after")
INSTANCES_OPEN = by_slot(
    select(t.instances)
    .where(_OPEN, _LAST_OPEN > 0, _AFTER, t.instances.c.id <= bindparam("last"))
    .order_by(t.instances.c.id),
    t.instances.c.slot,
)
INSTANCE_FURTHER_ON = (
    select(t.instances.c.id).where(_AFTER).order_by(t.instances.c.id).limit(1).offset(bindparam("by"))
)
TASKS_OF_EXECUTION = select(t.tasks.c.seq).where(_is(t.tasks.c.execution))
RESULTS_IN_INBOX = select(t.inbox.c.id).where(
    t.inbox.c.id >= bindparam("first"),
    t.inbox.c.id < bindparam("end"),
    or_(t.inbox.c.kind == "TaskCompleted", t.inbox.c.kind == "TaskFailed"),
)

_MESSAGE = [column for column in _columns(t.inbox) if column.name != "held"]
# Most messages are due at once and have due = 0: one range of the index, in order, without sorting. Those
# with a time are few when their time has come.
INBOX_READY = by_slot(
    select(*_MESSAGE)
    .where(~t.inbox.c.held, t.inbox.c.due == literal_column("0"))
    .order_by(t.inbox.c.ord)
    .limit(bindparam("limit")),
    t.inbox.c.slot,
)
INBOX_TIMED = by_slot(
    select(*_MESSAGE)
    .where(~t.inbox.c.held, t.inbox.c.due > literal_column("0"), t.inbox.c.due <= bindparam("now"))
    .order_by(t.inbox.c.ord)
    .limit(bindparam("limit")),
    t.inbox.c.slot,
)
TIMERS_DUE = by_slot(
    select(t.timers)
    .where(t.timers.c.due <= bindparam("until"))
    .order_by(t.timers.c.due, t.timers.c.execution, t.timers.c.seq)
    .limit(bindparam("limit")),
    t.timers.c.slot,
)
NEXT_TIMER = by_slot(
    select(t.timers.c.due)
    .join(t.instances, t.instances.c.id == t.timers.c.instance)
    .where(t.instances.c.status != literal_column(f"'{Status.SUSPENDED}'"))
    .order_by(t.timers.c.due)
    .limit(1),
    t.timers.c.slot,
)
NEXT_MESSAGE = by_slot(
    select(t.inbox.c.due)
    .where(~t.inbox.c.held, t.inbox.c.due > literal_column("0"))
    .order_by(t.inbox.c.due)
    .limit(1),
    t.inbox.c.slot,
)
# Said twice, for an index that has only the due ones above 0.
NEXT_DELAYED = by_slot(
    select(t.inbox.c.due)
    .where(~t.inbox.c.held, t.inbox.c.due > literal_column("0"), t.inbox.c.due > bindparam("after"))
    .order_by(t.inbox.c.due)
    .limit(1),
    t.inbox.c.slot,
)

REQUEST = select(*_columns(t.requests, "at")).where(*_THE_REQUEST)
DEFINITION = select(t.definitions).where(_is(t.definitions.c.name), _is(t.definitions.c.version))
DEFINITION_ACTIVE = select(t.definitions).where(_is(t.definitions.c.name), t.definitions.c.active)

# -- tasks ----------------------------------------------------------------------------------------

_WAITING = select(t.tasks).where(t.tasks.c.worker.is_(None))
_LANE = (_is(t.tasks.c.queue), _is(t.tasks.c.name), t.tasks.c.worker.is_(None))
_DUE = (*_LANE, t.tasks.c.due <= bindparam("now"), t.tasks.c.deliveries < bindparam("below"))
_AGE = (t.tasks.c.due, t.tasks.c.execution, t.tasks.c.seq)
_RANK = (*_DUE, _is(t.tasks.c.rank))
_GROUP = (t.tasks.c.fairness_key, t.tasks.c.concurrency_key)
# A lane is a queue with an activity, a group what has one fairness and one concurrency key in it.
TASKS_OF_LANE = (
    select(t.tasks).where(*_DUE).order_by(t.tasks.c.rank, *_GROUP, *_AGE).limit(bindparam("limit"))
)
TASKS_OF_GROUP = select(t.tasks).where(*_RANK, *map(_is, _GROUP)).order_by(*_AGE).limit(bindparam("limit"))
NEXT_RANK = (
    select(t.tasks.c.rank)
    .where(*_DUE, t.tasks.c.rank > bindparam("rank"))
    .order_by(t.tasks.c.rank)
    .limit(literal_column("1"))
)
NEXT_GROUP = (
    select(*_GROUP)
    .where(
        *_RANK,
        tuple_(*_GROUP)
        > tuple_(bindparam("fairness_key", type_=t.Text), bindparam("concurrency_key", type_=t.Text)),
    )
    .order_by(*_GROUP)
    .limit(literal_column("1"))
)
# Whoever claims passes over what others claim at the same time.
TASKS_OF_LANE_FREE = TASKS_OF_LANE.with_for_update(skip_locked=True)
TASKS_OF_GROUP_FREE = TASKS_OF_GROUP.with_for_update(skip_locked=True)
# An index has these alone: few tasks are handed out again and again.
TASKS_AGAIN = (
    select(t.tasks)
    .where(
        *_LANE,
        t.tasks.c.deliveries >= literal_column("2"),
        t.tasks.c.due <= bindparam("now"),
        t.tasks.c.deliveries >= bindparam("least"),
        t.tasks.c.deliveries < bindparam("below"),
    )
    .order_by(t.tasks.c.rank, *_AGE)
    .limit(bindparam("limit"))
)
TASKS_AGAIN_FREE = TASKS_AGAIN.with_for_update(skip_locked=True)
# In the order of the index of those that wait, so that it is used.
ANY_WAITING = (
    select(t.tasks.c.name)
    .where(t.tasks.c.worker.is_(None))
    .order_by(t.tasks.c.queue, t.tasks.c.name)
    .limit(literal_column("1"))
)
NEXT_NAME = (
    select(t.tasks.c.name)
    .where(_is(t.tasks.c.queue), t.tasks.c.worker.is_(None), t.tasks.c.name > bindparam("name"))
    .order_by(t.tasks.c.name)
    .limit(literal_column("1"))
)
CLAIMED_COUNT = select(func.count()).where(
    _is(t.tasks.c.concurrency_key),
    t.tasks.c.concurrency_key != literal_column("''"),
    t.tasks.c.worker.is_not(None),
)
QUEUES = select(t.queues).order_by(t.queues.c.name)
QUEUES_SERVED = QUEUES.where(t.queues.c.name.in_(bindparam("names", expanding=True))).with_for_update()
_QUEUE = upsert(t.queues)
QUEUE_PUT = _QUEUE.on_conflict_do_update(
    index_elements=list(t.queues.primary_key),
    set_={name: _QUEUE.excluded[name] for name in ("interval", "burst", "next_at")},
)
QUEUE_DELETE = delete(t.queues).where(_is(t.queues.c.name))
TASK_CLAIM = (
    update(t.tasks)
    .where(_is(t.tasks.c.execution), _is(t.tasks.c.seq))
    .values(
        worker=bindparam("worker"),
        deliveries=t.tasks.c.deliveries + literal_column("1"),
        silent_at=bindparam("silent_at"),
    )
)
TASK_BEAT = (
    update(t.tasks)
    .where(_is(t.tasks.c.execution), _is(t.tasks.c.seq), _is(t.tasks.c.worker))
    .values(
        silent_at=case(
            (t.tasks.c.heartbeat > literal_column("0"), t.tasks.c.heartbeat + bindparam("now")), else_=null()
        )
    )
)
TASK_HAND_OVER = (
    update(t.tasks)
    .where(_is(t.tasks.c.execution), _is(t.tasks.c.seq), _is(t.tasks.c.worker))
    .values(worker=bindparam("worker"), silent_at=null())
)
MESSAGE = select(*_columns(t.inbox, "ord", "held")).where(_is(t.inbox.c.id))
TASKS_SILENT = (
    select(t.tasks)
    .where(t.tasks.c.worker.is_not(None), t.tasks.c.silent_at <= bindparam("now"))
    .order_by(t.tasks.c.silent_at, t.tasks.c.execution, t.tasks.c.seq)
    .limit(bindparam("limit"))
)
TASKS_SILENT_FREE = TASKS_SILENT.with_for_update(skip_locked=True)
_HEARTBEAT = upsert(t.heartbeats)
HEARTBEAT_PUT = _HEARTBEAT.on_conflict_do_update(
    index_elements=list(t.heartbeats.primary_key), set_={"details": _HEARTBEAT.excluded.details}
)
_PLACE = (_is(t.heartbeats.c.instance), _is(t.heartbeats.c.execution), _is(t.heartbeats.c.path))
HEARTBEAT_DELETE = delete(t.heartbeats).where(*_PLACE)
HEARTBEAT = select(t.heartbeats.c.details).where(*_PLACE)
TASK_GIVE_BACK = (
    update(t.tasks)
    .where(_is(t.tasks.c.execution), _is(t.tasks.c.seq), _is(t.tasks.c.worker))
    .values(worker=null(), deliveries=t.tasks.c.deliveries - literal_column("1"))
)
TASKS_CLAIMED = select(t.tasks.c.execution, t.tasks.c.seq).where(_is(t.tasks.c.worker))
TASKS_WAITING = _WAITING.where(_is(t.tasks.c.instance)).order_by(t.tasks.c.execution, t.tasks.c.seq)

# -- clients --------------------------------------------------------------------------------------

DEFINITION_INSERT = insert(t.definitions)
DEFINITION_ACTIVATE = (
    update(t.definitions)
    .where(_is(t.definitions.c.name))
    .values(active=(t.definitions.c.version == bindparam("version")))
)
_THE_DEFINITION = (_is(t.definitions.c.name), _is(t.definitions.c.version))
DEFINITION_AGAIN = (
    update(t.definitions)
    .where(*_THE_DEFINITION, not_(t.definitions.c.active))
    .values(activated_at=bindparam("now"))
)
DEFINITION_REVIVE = update(t.definitions).where(*_THE_DEFINITION).values(retired=false())
DEFINITION_RETIRE = update(t.definitions).where(*_THE_DEFINITION).values(retired=true(), active=false())
DEFINITIONS = select(t.definitions).order_by(
    t.definitions.c.name, t.definitions.c.created_at.desc(), t.definitions.c.version.desc()
)
DEFINITIONS_NAMED = DEFINITIONS.where(_is(t.definitions.c.name))
PARENTS = select(t.instances.c.id, t.instances.c.parent_id).where(
    t.instances.c.id.in_(bindparam("instances", expanding=True)), t.instances.c.parent_id.is_not(None)
)
PROGRAM_PUT = upsert(t.programs).on_conflict_do_nothing(index_elements=["digest"])
PROGRAM = select(t.programs.c.program).where(_is(t.programs.c.digest))
_WHOLE: list[ColumnElement[str]] = [literal_column(f"'{key}'") for key in ("input", "output", "error")]
PAYLOADS = select(t.payloads.c.key, t.payloads.c.value).where(
    _is(t.payloads.c.instance), t.payloads.c.key.in_(_WHOLE)
)
PAYLOAD = select(t.payloads.c.value).where(_is(t.payloads.c.instance), _is(t.payloads.c.key))
VALUES = select(t.payloads.c.instance, t.payloads.c.key, t.payloads.c.value).where(
    t.payloads.c.instance.in_(bindparam("instances", expanding=True)),
    t.payloads.c.key.in_(bindparam("keys", expanding=True)),
)
HISTORY = HISTORY_ALL.where(t.history.c.first_seq >= bindparam("after")).limit(bindparam("limit"))
DEAD_LETTER = select(t.dead_letters).where(_is(t.dead_letters.c.ord))
DEAD_LETTER_DELETE = delete(t.dead_letters).where(_is(t.dead_letters.c.ord))
_LETTERS = (
    select(t.dead_letters)
    .where(t.dead_letters.c.ord < bindparam("before"))
    .order_by(t.dead_letters.c.ord.desc())
    .limit(bindparam("limit"))
)
DEAD_LETTERS = _LETTERS
DEAD_LETTERS_OF = _LETTERS.where(_is(t.dead_letters.c.instance))


def audit(query: AuditQuery) -> Select[Any]:
    """The page of the audit that a query asks for. Its values stand in the statement."""
    c = t.audit.c
    found = select(t.audit).order_by(c.ord.desc()).limit(query.limit)
    for column, value in ((c.target, query.target), (c.action, query.action), (c.actor, query.actor)):
        if value is not None:
            found = found.where(column == value)
    return found if query.before is None else found.where(c.ord < query.before)


def definitions(name: str | None, after: tuple[str, int, str] | None, limit: int) -> Select[Any]:
    """A page of definitions. Its values stand in the statement."""
    c = t.definitions.c
    found = DEFINITIONS.limit(limit)
    if name is not None:
        found = found.where(c.name == name)
    if after is not None:
        last, *place = after
        older = tuple_(c.created_at, c.version) < tuple_(*place)
        found = found.where(or_(c.name > last, and_(c.name == last, older)))
    return found
