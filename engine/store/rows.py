"""What crosses the boundary to the database: plain records, one a kind of row, and the batch.

Times are microseconds since 1970 UTC. ``events``, ``event``, ``body``, ``value`` and ``answer`` are
JSON text that the store keeps as written and never looks into, but for one thing: keys of values that
are kept apart (``codec``) stand in it as they are. ``values`` are the texts behind such keys. Whoever
writes a row gives those that the instance may not have yet; whoever reads one gets all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from perdure.engine.instance import Instance, Status, slot_of

IfExists = Literal["reject", "reuse", "replace_ended"]
"""What a start does when its id is in use: it is refused, or leaves the instance that is there, or purges it
first if it has ended."""
NO_VALUES: Mapping[str, str] = {}


Key = tuple[str, int]
"""Names a task or a timer: its execution, and the ``seq`` of the decision."""


WAITING = 2**62
"""Added to the time of a first message while its instance waits for a place."""
OUTSIDE = "@token"
"""Stands in the place of a worker's id in the row of a task that is completed from outside."""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The common shape: an immutable record."""


class HistoryRow(Row, frozen=True, kw_only=True):
    """One turn. ``open`` counts what only the owner's memory keeps going after it."""

    instance: str
    generation: int
    first_seq: int
    next_seq: int
    open: int
    at: int
    events: str
    values: Mapping[str, str] = NO_VALUES


class PayloadRow(Row, frozen=True, kw_only=True):
    """A value kept apart from the hot rows: ``key`` is ``input``, ``output``, ``error`` or made of its hash.

    ``value`` of one of the first three may be the key of another. ``generation`` is the last one whose
    history refers to the value: it goes when that is forgotten, and stays as long as its instance with None.
    """

    instance: str
    key: str
    value: str
    generation: int | None = None


def kept_values(row: HistoryRow) -> list[PayloadRow]:
    """The values that come with a history row, for as long as its generation is kept."""
    return [
        PayloadRow(instance=row.instance, key=key, value=value, generation=row.generation)
        for key, value in row.values.items()
    ]


class TimerRow(Row, frozen=True, kw_only=True):
    """A timer of an execution; ``seq`` is that of its ``TimerCreated``."""

    execution: str
    seq: int
    instance: str
    slot: int
    due: int


class TaskRow(Row, frozen=True, kw_only=True):
    """A task that any worker may run. ``worker`` is None until claimed.

    ``queue`` is empty for the default queue; a private one begins with ``@``, and its worker takes every
    task in it. Of those that wait in a queue a lower ``rank`` (the priority, negated) goes first, and
    different ``fairness_key`` take turns. Of one ``concurrency_key`` (if it has one) at most
    ``concurrency_limit`` are claimed at a time. Whoever has claimed one with a ``heartbeat`` (microseconds)
    is heard of before ``silent_at``. ``deliveries`` counts hand-outs, the present one included.
    """

    execution: str
    seq: int
    instance: str
    slot: int
    queue: str = ""
    name: str
    body: str
    due: int = 0
    worker: str | None = None
    deliveries: int = 0
    values: Mapping[str, str] = NO_VALUES
    rank: int = 0
    fairness_key: str = ""
    concurrency_key: str = ""
    concurrency_limit: int = 0
    heartbeat: int = 0
    silent_at: int | None = None


class Beat(Row, frozen=True, kw_only=True):
    """A sign of life of a task that is claimed. ``details`` are JSON text, None for what they were before.

    ``forget``: the step has ended well, so nobody needs its details any more.
    """

    instance: str
    execution: str
    seq: int
    path: str
    details: str | None = None
    forget: bool = False


class QueueRow(Row, frozen=True, kw_only=True):
    """Settings of a named queue. ``interval``: microseconds between two hand-outs of its tasks, on average.

    ``burst`` of them may be handed out at once after a pause. ``next_at`` is when the next one would be due
    if each had waited for its time.
    """

    name: str
    interval: int
    burst: int
    next_at: int = 0

    def ready(self, now: int) -> int:
        """How many tasks may be handed out now."""
        ahead = max(self.next_at, now) - now
        return max(self.burst - -(-ahead // self.interval), 0)

    def after(self, now: int, count: int) -> QueueRow:
        """The row once so many were handed out."""
        next_at = max(self.next_at, now) + count * self.interval
        return msgspec.structs.replace(self, next_at=next_at)


class Message(Row, frozen=True, kw_only=True):
    """Something addressed to an instance; ``id`` is made by the sender and never used twice.

    ``execution`` is set on what answers a decision: another execution of the instance ignores it.
    ``kind`` is the name of the event in ``event``. Nothing is handed out before ``due``, nor while
    ``held``: what an instance cannot take now is set aside.
    """

    id: str
    instance: str
    slot: int
    kind: str
    event: str
    execution: str | None = None
    due: int = 0
    held: bool = False
    values: Mapping[str, str] = NO_VALUES


class Request(Row, frozen=True, kw_only=True):
    """A request that may be repeated. ``fingerprint`` tells whether it is the same one."""

    route: str
    target: str
    key: str
    fingerprint: str
    answer: str


class DeadLetter(Row, frozen=True, kw_only=True):
    """What could not be delivered, with the reason; the store gives ``ord`` when it writes it.

    Of a message it has all that is needed to send it again; ``execution`` is the one that it answers. Of
    a poison task (``kind`` is ``TaskScheduled``) it has the body.
    """

    id: str
    instance: str
    reason: str
    kind: str
    event: str
    at: int
    execution: str | None = None
    ord: int = 0

    @property
    def is_task(self) -> bool:
        """Whether it was a task, and no message."""
        return self.kind == "TaskScheduled"


class Counts(Row, frozen=True, kw_only=True):
    """What there is in a hub, counted up to a bound: a count that reaches it means as many or more.

    ``instances`` are by status. ``queues`` have the tasks that wait, by the name of the queue, which is empty
    for the default one; private ones are left out.
    """

    instances: Mapping[str, int]
    queues: Mapping[str, int]
    tasks_claimed: int
    messages: int
    messages_held: int
    timers: int
    dead_letters: int


class ApiKey(Row, frozen=True, kw_only=True):
    """Somebody who may ask over HTTP. Of the secret there is a ``hash`` alone.

    ``used_at`` is when it was used, give or take.
    """

    id: str
    name: str
    role: str
    hash: str
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None
    used_at: int | None = None


class AuditEntry(Row, frozen=True, kw_only=True):
    """Who did what, as an operator, to which instance or other thing; ``details`` is JSON text.

    The store gives ``ord`` and ``at`` when it writes the entry, in the transaction of the act.
    """

    actor: str
    action: str
    target: str
    details: str = "{}"
    at: int = 0
    ord: int = 0


class AuditQuery(Row, frozen=True, kw_only=True):
    """A filter over the audit, newest first. ``before`` is the ``ord`` of the last row of the page before."""

    target: str | None = None
    action: str | None = None
    actor: str | None = None
    before: int | None = None
    limit: int = 50


class EntityRow(Row, frozen=True, kw_only=True):
    """An entity: it has a state, or is locked, or a worker carries out operations of it.

    ``incarnation`` names it until it is deleted, and nothing else ever; ``version`` counts its writes.
    ``state`` is None while it has none; ``lock`` is who holds it, ``task`` what a worker does for it.
    """

    id: str
    slot: int
    type: str
    key: str
    incarnation: str
    version: int
    created_at: int
    updated_at: int
    state: str | None = None
    lock: str | None = None
    task: str | None = None


class EntityWrite(Row, frozen=True, kw_only=True):
    """What a batch makes of an entity: ``row``, or nothing any more where that is None.

    ``before`` is the incarnation and version that its row must have; None where there must be none.
    """

    id: str
    before: tuple[str, int] | None
    row: EntityRow | None


class EntityQuery(Row, frozen=True, kw_only=True):
    """A filter over entities that have a state, by type and then key. ``after`` is the page's last one.

    All conditions hold together; ``updated_from`` and ``updated_to`` belong to the range.
    """

    type: str | None = None
    key_prefix: str = ""
    updated_from: int | None = None
    updated_to: int | None = None
    after: tuple[str, str] | None = None
    limit: int = 50


class Definition(Row, frozen=True, kw_only=True):
    """A deployed workflow or entity. ``digest`` is the document's, ``program`` the Program's.

    ``active`` marks the version that a start without a version means. A ``retired`` version starts nothing.
    ``activated_at`` is when it has become the active one again; 0 if it never has.
    """

    name: str
    version: str
    digest: str
    program: str
    source: str
    created_at: int
    active: bool = True
    kind: str = "workflow"
    retired: bool = False
    activated_at: int = 0


class Worker(Row, frozen=True, kw_only=True):
    """A member of the hub. ``turns`` says whether it runs turns or activities alone.

    ``reserve`` marks a short-lived process that takes slots only while nobody else serves them.
    ``activities`` are those it runs, of the default queue and of the named ``queues``. ``state`` is
    ``live``, ``dead`` or ``left``. One that is ``draining`` gives its slots to others and takes nothing more.
    """

    id: str
    host: str
    ir: int
    turns: bool = True
    reserve: bool = False
    activities: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    state: str = "live"
    lease_until: int = 0
    joined_at: int = 0
    draining: bool = False


class SubscriptionRow(Row, frozen=True, kw_only=True):
    """An instance can be found by events of a name that have a key, as the instruction ``op`` computes it.

    ``number`` tells the waits of an execution apart. ``once``: one event is all that it waits for, and the
    key is all that it asks, so the delivery deletes the row; another one stays until its wait is over.
    """

    execution: str
    number: int
    instance: str
    name: str
    digest: str
    op: int
    key: str
    once: bool


class Publication(Row, frozen=True, kw_only=True):
    """An event that is sent by its content. ``to`` are the digests, instructions and keys that it fits."""

    id: str
    name: str
    event: str
    to: tuple[tuple[str, int, str], ...]

    def message(self, row: SubscriptionRow) -> Message:
        """What the subscriber gets. Another execution of the instance never asked for it."""
        return Message(
            id=f"{self.id}/{row.execution}",
            instance=row.instance,
            slot=slot_of(row.instance),
            kind="EventRaised",
            event=self.event,
            execution=row.execution,
        )


class Checkpoint(Row, frozen=True, kw_only=True):
    """Everything that one turn wants written. All of it is, or none.

    ``instance`` is the row to insert (``before`` is None) or the new state of a row whose status is
    ``before``; None where nothing of the narrow row changes. ``execution`` is the one that the turn
    found. ``history`` has one row, or two at continue-as-new. ``consumed`` are ids of inbox rows that
    must be there; ``tasks_closed`` and ``subscriptions_closed`` need not be, and a subscription may be there
    already. ``unsubscribes`` deletes all that the execution had before. ``forget_before`` deletes earlier
    generations, and the values that only they refer to. ``replaces``: should the id of the row to insert
    belong to an instance that ended in an earlier transaction, that one is purged first. Of one that ended
    and goes on, ``payloads_dropped`` are keys of values that are deleted before ``payloads`` are written,
    and ``rewrites``: so is the history that this generation has.
    """

    id: str
    slot: int
    execution: str
    before: Status | None = None
    instance: Instance | None = None
    history: tuple[HistoryRow, ...]
    consumed: tuple[str, ...] = ()
    payloads: tuple[PayloadRow, ...] = ()
    timers: tuple[TimerRow, ...] = ()
    timers_closed: tuple[tuple[str, int], ...] = ()
    tasks: tuple[TaskRow, ...] = ()
    tasks_closed: tuple[tuple[str, int], ...] = ()
    subscriptions: tuple[SubscriptionRow, ...] = ()
    subscriptions_closed: tuple[tuple[str, int], ...] = ()
    unsubscribes: bool = False
    forget_before: int | None = None
    replaces: bool = False
    payloads_dropped: tuple[str, ...] = ()
    rewrites: bool = False


class Parking(Row, frozen=True, kw_only=True):
    """An instance that cannot go on: its row's new state, without a history row."""

    instance: Instance
    before: Status


class ScheduleRow(Row, frozen=True, kw_only=True):
    """When a workflow is started by itself: entry ``number`` of the ``schedule`` of its active version.

    It is looked at when it is ``due`` (None: never). ``progress`` is JSON text of ``schedules``. ``revision``
    counts the changes of the row.
    """

    id: str
    slot: int
    workflow: str
    number: int
    version: str
    program: str
    cron: str
    timezone: str
    overlap: str
    catch_up: int | None = None
    paused: bool = False
    due: int | None = None
    revision: int = 0
    progress: str = "{}"


class ScheduleWrite(Row, frozen=True, kw_only=True):
    """A schedule's new row (None: it is deleted), and the revision of the present one (None: it is new)."""

    id: str
    row: ScheduleRow | None
    before: int | None


class Batch(Row, frozen=True, kw_only=True):
    """What one transaction commits, in this order: requests, parkings, entities, checkpoints, the rest.

    ``replies`` are requests whose answers are known now; their rows need not be there.
    ``messages`` are those that no checkpoint of this batch consumes. ``hold`` are ids of inbox rows to
    set aside, ``unhold`` instances with how many of their held rows, oldest first, to hand out again.
    ``discard`` deletes inbox rows that have become dead letters. What ``hold`` and ``discard`` name need
    not be there. ``adopt`` are rows for eager tasks that a worker before left open.
    ``trusted`` are suspects whose turn has ended (see ``Turns.begin_turn``). ``lease`` (microseconds) renews
    the worker's membership.
    """

    worker: str
    checkpoints: tuple[Checkpoint, ...] = ()
    parkings: tuple[Parking, ...] = ()
    requests: tuple[Request, ...] = ()
    replies: tuple[Request, ...] = ()
    entities: tuple[EntityWrite, ...] = ()
    messages: tuple[Message, ...] = ()
    hold: tuple[str, ...] = ()
    unhold: tuple[tuple[str, int], ...] = ()
    discard: tuple[str, ...] = ()
    dead_letters: tuple[DeadLetter, ...] = ()
    adopt: tuple[TaskRow, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    schedules: tuple[ScheduleWrite, ...] = ()
    trusted: tuple[str, ...] = ()
    lease: int | None = None


BEGUN = "ExecutionStarted"
"""What stands in the first row of nearly every history."""


class Loaded(Row, frozen=True, kw_only=True):
    """An instance as the database has it, with the history of its present generation in order.

    ``held`` counts its inbox rows that are set aside. ``first`` is the message with which a generation that
    has not begun will begin, wherever in the inbox it waits.
    """

    instance: Instance
    history: tuple[HistoryRow, ...]
    held: int = 0
    first: Message | None = None

    @property
    def begun(self) -> bool:
        """Whether the history shows at once that the generation has begun."""
        return any(BEGUN in row.events for row in self.history[:1])


class Takeover(Row, frozen=True, kw_only=True):
    """What a new owner must know before it does anything.

    ``loaded`` are the instances that had something open in memory only; ``tasks`` their keys in the
    tasks table; ``results`` the keys of results that lie in the inbox for them.
    """

    loaded: tuple[Loaded, ...]
    tasks: frozenset[tuple[str, int]]
    results: frozenset[tuple[str, int]]


class EndedQuery(Row, frozen=True, kw_only=True):
    """A filter over instances that have ended, those first that ended first.

    Without ``statuses`` all of theirs. ``ended_from`` belongs to the range, ``ended_before`` does not; of
    ``created_from`` and ``created_to`` both do.
    ``after`` is the end and the id of the last one of the slice before. A slice has up to ``limit``
    instances beside their descendants, and is over when as many as ``rows`` rows of them are counted.
    """

    statuses: tuple[Status, ...] = ()
    name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    ended_from: int | None = None
    ended_before: int | None = None
    created_from: int | None = None
    created_to: int | None = None
    after: tuple[int, str] | None = None
    limit: int = 100
    rows: int = 5000


class Purged(Row, frozen=True, kw_only=True):
    """What a purge deleted: how many rows of each table.

    ``left`` are ids of instances that stay because a child of theirs has not ended. ``after`` is where
    the next slice begins, None when there is nothing more.
    """

    rows: dict[str, int]
    left: tuple[str, ...] = ()
    after: tuple[int, str] | None = None


class LookUp(Row, frozen=True, kw_only=True):
    """Answers for ids, names and keys chosen by clients."""

    instances: dict[str, Instance]
    definitions: dict[tuple[str, str | None], Definition]
    requests: dict[tuple[str, str, str], Request]


class Condition(Row, frozen=True, kw_only=True):
    """What holds for a ``field`` of an instance's row, or for ``tag.NAME``; when ``negated``, does not.

    Its text is one of ``values`` or begins with one of ``prefixes``; the empty prefix holds for whatever is
    there at all. Or its time ``compares`` so (``<``, ``<=``, ``>``, ``>=``) with a ``time``. What is absent
    has no text and no time.
    """

    field: str
    values: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    compares: str | None = None
    time: int = 0
    negated: bool = False


class InstanceQuery(Row, frozen=True, kw_only=True):
    """A filter over instances, newest first. ``after`` is the last row of the page before.

    All conditions hold together; ``created_from`` and ``created_to`` belong to the range. Without ``chunks``
    those of a fan-out are left out. ``order`` is the column of the order, and then the id; instances without
    a value there are left out. ``after`` has both of the last row.
    """

    statuses: tuple[Status, ...] = ()
    name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    id_prefix: str = ""
    created_from: int | None = None
    created_to: int | None = None
    chunks: bool = True
    where: tuple[Condition, ...] = ()
    order: str = "created_at"
    ascending: bool = False
    after: tuple[int | str, str] | None = None
    limit: int = 50
