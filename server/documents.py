"""What comes back, as types: the OpenAPI document is written from them, and answers are compared with it.

Nothing is encoded through them: a document goes out as the engine made it.
"""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from perdure.engine.instance import Status

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Cursor = Annotated[str, Meta(description="The `cursor` of the next page; null on the last one.")]


class InstanceRow(Struct):
    """An instance without its payloads."""

    id: str
    workflow: str
    version: str
    digest: Annotated[str, Meta(description="Of the program that it runs.")]
    status: Status
    reason: Annotated[str | None, Meta(description="Why it is suspended, or was terminated.")]
    custom_status: Any
    tags: dict[str, str]
    generation: Annotated[int, Meta(description="1, and one more at each continue-as-new and restart.")]
    parent_id: str | None
    created_at: Time
    started_at: Time | None
    updated_at: Time
    ended_at: Time | None


class Error(Struct):
    """Why an instance failed."""

    type: str
    message: str
    data: Any
    step: str | None
    path: str | None
    attempt: int
    cause: Any
    compensation: Any
    activity: str | UnsetType = UNSET


Event = Annotated[
    dict[str, Any],
    Meta(
        description="An event of a history: its number, its time, its type, and what is of that type.",
        extra_json_schema={
            "properties": {
                "seq": {"type": "integer", "minimum": 0},
                "at": {"type": "string", "format": "date-time"},
                "type": {"type": "string"},
                "stored": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Keys of values that are too large to be shown here.",
                },
            },
            "required": ["seq", "at", "type"],
            "additionalProperties": True,
        },
    ),
]


class History(Struct):
    """A page of events, oldest first."""

    items: list[Event]
    next: Cursor | None


class Instance(Struct):
    """An instance; what is absent is null. `history` is there when it was asked for."""

    id: str
    workflow: str
    version: str
    digest: str
    status: Status
    reason: str | None
    input: Any
    output: Any
    error: Error | None
    custom_status: Any
    tags: dict[str, str]
    generation: int
    parent_id: str | None
    created_at: Time
    started_at: Time | None
    updated_at: Time
    ended_at: Time | None
    history: History | UnsetType = UNSET


SomeOfInstance: Any = msgspec.defstruct(
    "SomeOfInstance",
    [
        (name, kind | UnsetType, UNSET)
        for name, kind in get_type_hints(Instance, include_extras=True).items()
        if name != "history"
    ],
    namespace={"__doc__": "The fields of an instance that were asked for."},
)


class Fiber(Struct):
    """A thread of control of an instance."""

    id: int
    step: str
    path: str
    file: str
    line: int
    column: int
    waits_for: Annotated[
        str | None, Meta(description="task, timer, event, branches, reply, lock, compensation; null if none.")
    ]
    branch_of: Annotated[int | None, Meta(description="The group of parallel branches that it belongs to.")]
    branch: int
    canceled: bool


class State(Struct):
    """Where an instance stands. All but the first three is null when its history cannot be replayed."""

    id: str
    generation: int
    status: Status
    fibers: list[Fiber] | None
    variables: dict[str, Any] | None
    events_kept: Annotated[list[str] | None, Meta(description="Names of events that nobody took yet.")]


class Instances(Struct):
    """A page of instances, without their payloads."""

    items: list[InstanceRow]
    next: Cursor | None


class ProblemRow(Struct):
    """What is wrong with one of many."""

    status: int
    code: str
    detail: str
    hint: str | UnsetType = UNSET


class Started(Struct):
    """What became of one start of a batch: an id, or a problem."""

    id: str | None
    problem: ProblemRow | UnsetType = UNSET


class StartedMany(Struct):
    """What became of each start, in the order of the list."""

    items: list[Started]
    next: None


class Waiting(Struct):
    """Something that an instance waits for now."""

    kind: Annotated[
        str, Meta(description="task, timer, event, instance, entity, lock, branches, chunks, place, start")
    ]
    name: str | None
    step: str | None
    path: str | None
    file: str | None
    line: int
    column: int
    since: Time | None
    until: Time | None
    left: Annotated[float | None, Meta(description="Seconds until then.")]
    attempt: int | None
    attempts: int | None
    note: str | None


class Explanation(Struct):
    """All that an instance waits for now."""

    items: list[Waiting]
    next: None


class StepStatistics(Struct):
    """What a step's events come to; keys of items are left out of its path."""

    path: str
    step: str | None
    line: int | None
    events: int
    bytes: int
    attempts: int
    seconds: Annotated[
        float,
        Meta(description="In which something of it was under way, pauses between attempts included."),
    ]


class FailedStep(Struct):
    """Where in its file the step stands that an instance failed of."""

    path: str
    step: str | None
    file: str
    line: int
    column: int


class Statistics(Struct):
    """What the history of an instance's present generation is made of."""

    id: str
    generation: int
    turns: int
    events: int
    bytes: int
    limit: Annotated[int | None, Meta(description="How many events it may have.")]
    steps: list[StepStatistics]
    failed: Annotated[FailedStep | None, Meta(description="The step that it failed of.")]


class QueryAnswer(Struct):
    """The answer to a query that the workflow declares."""

    id: str
    query: str
    value: Any


class EventSent(Struct):
    """An event is kept for an instance."""

    id: str
    event: str


class EventPublished(Struct):
    """An event is kept for all these instances."""

    event: str
    ids: list[str]


class Changed(Struct):
    """Whether there was something to change."""

    changed: bool


class Acted(Struct):
    """An act on an instance, or a new instance that came of it."""

    id: str
    changed: bool


class Rewound(Struct):
    """Where an instance goes on, or would."""

    id: str
    changed: bool
    paths: list[str]


class Migrated(Struct):
    """The version with which an instance goes on, or would."""

    id: str
    changed: bool
    version: str


class Counted(Struct):
    """How many instances a query finds, and the first of them."""

    verb: str
    count: int
    ids: list[str]


class NotActedOn(Struct):
    """An instance to which nothing was done, and why."""

    id: str
    problem: ProblemRow


class ActedOnMany(Struct):
    """What was done to the instances that a query found."""

    verb: str
    count: int
    changed: Annotated[int, Meta(description="How many are not as they were.")]
    problems: list[NotActedOn]


class Purged(Struct):
    """What was deleted."""

    instances: int
    rows: Annotated[dict[str, int], Meta(description="How many rows of each table.")]
    left: Annotated[list[str], Meta(description="Those that stay: a child of theirs has not ended.")]
    next: Cursor | None


class DefinitionRow(Struct):
    """A deployed workflow or entity, without its source."""

    name: str
    version: str
    digest: str
    program_digest: str
    active: Annotated[bool, Meta(description="Whether a start without a version means this one.")]
    retired: bool
    created_at: Time


class Definitions(Struct):
    """Versions of definitions."""

    items: list[DefinitionRow]
    next: Cursor | None


class Definition(Struct):
    """A deployed workflow or entity."""

    name: str
    version: str
    digest: str
    program_digest: str
    active: bool
    retired: bool
    created_at: Time
    source: str


class DefinitionChanged(Struct):
    """A version that was activated or retired."""

    name: str
    version: str
    digest: str
    program_digest: str
    active: bool
    retired: bool
    created_at: Time
    changed: bool


class Deployed(Struct):
    """What became of one document of a file."""

    name: str
    version: str
    digest: str
    program_digest: str
    outcome: Annotated[str, Meta(extra_json_schema={"enum": ["created", "activated", "unchanged"]})]
    active: bool
    breaks: Annotated[list[str], Meta(description="What it breaks of the version that was active.")]
    replayed: Annotated[
        int | UnsetType,
        Meta(description="Running instances that it decides everything of, if that was asked."),
    ] = UNSET


class Deployment(Struct):
    """What became of each document of a file."""

    items: list[Deployed]


class Difference(Struct):
    """What differs between two versions, and what the second one breaks of the first."""

    name: str
    before: str = msgspec.field(name="from")
    after: str = msgspec.field(name="to")
    changes: list[str]
    breaks: list[str]


class Entity(Struct):
    """An entity that has a state."""

    id: str
    type: str
    key: str
    state: Any
    locked_by: Annotated[str | None, Meta(description="The instance that holds it.")]
    busy: Annotated[bool, Meta(description="Whether a worker carries out an operation of it.")]
    created_at: Time
    updated_at: Time


class Entities(Struct):
    """A page of entities, by type and key."""

    items: list[Entity]
    next: Cursor | None


class Signaled(Struct):
    """An operation is durable, and will be carried out."""

    id: str
    operation: str


class Result(Struct):
    """What an operation gave back."""

    result: Any


class Deleted(Struct):
    """What will be no more."""

    id: str


class Schedule(Struct):
    """What starts a workflow by the calendar."""

    id: str
    workflow: str
    version: str
    cron: str
    timezone: str
    overlap: str
    catch_up: float | None
    paused: bool
    next: Time | None
    waiting: int
    started: int
    skipped: int
    last: str | None


class Schedules(Struct):
    """All schedules, by id."""

    items: list[Schedule]
    next: None


class Occurrence(Struct):
    """What became of a time that was due."""

    at: Time
    outcome: str
    instance: str | None
    reason: str | None


class Range(Struct):
    """Times that are still to be filled."""

    begin: Time = msgspec.field(name="from")
    end: Time = msgspec.field(name="to")


class ScheduleShown(Schedule):
    """A schedule with its last outcomes."""

    recent: list[Occurrence]
    backfill: list[Range]


class DeadLetterRow(Struct):
    """What could not be delivered."""

    number: int
    at: Time
    instance: str
    kind: str
    reason: str
    message: str


class DeadLetter(DeadLetterRow):
    """What could not be delivered, with its payload."""

    event: Any


class Discarded(Struct):
    """A dead letter that is gone."""

    number: int


class Delivered(Struct):
    """A dead letter that was sent after all, and the id of the message that it is now."""

    number: int
    message: str


class DeadLetters(Struct):
    """A page of them, newest first."""

    items: list[DeadLetterRow]
    next: Cursor | None


class AuditEntry(Struct):
    """Who did what."""

    number: int
    at: Time
    actor: str
    action: str
    target: str
    details: dict[str, Any]


class Audit(Struct):
    """A page of the audit, newest first."""

    items: list[AuditEntry]
    next: Cursor | None


class Queue(Struct):
    """A named queue."""

    name: str
    rate: str | None
    workers: int
    waiting: Annotated[int, Meta(description="Tasks that no worker has taken yet.")]


class Queues(Struct):
    """Every queue that has a rate, is served or has tasks that wait."""

    items: list[Queue]
    next: None


class QueueSet(Struct):
    """A queue's rate."""

    name: str
    rate: str | None


class Backlog(Struct):
    """How many tasks of a queue no worker has taken yet."""

    name: str
    waiting: int


class TaskCounts(Struct):
    """Tasks in the database; those that a worker runs as it makes them are not there."""

    waiting: int
    claimed: int


class MessageCounts(Struct):
    """Messages that instances have not taken yet, and those that nobody waits for so far."""

    ready: int
    held: int


class SlotCounts(Struct):
    """Slots that live workers have."""

    owned: int
    of: int


class Stats(Struct):
    """How much of everything there is now. A count that is ``most`` means as many or more."""

    at: Time
    most: int
    instances: Annotated[dict[str, int], Meta(description="By status, chunks of a `fan_out` included.")]
    queues: list[Backlog]
    tasks: TaskCounts
    messages: MessageCounts
    timers: int
    late_seconds: Annotated[float, Meta(description="How long the earliest timer or message is overdue.")]
    dead_letters: int
    workers: int
    slots: SlotCounts


class Worker(Struct):
    """A live worker."""

    id: str
    host: str
    turns: bool
    reserve: bool
    draining: bool
    activities: list[str]
    queues: list[str]
    lease_until: Time
    joined_at: Time
    slots: int
    tasks: int


class WorkerAsked(Struct):
    """The worker that is to leave."""

    id: str


class Workers(Struct):
    """The live workers."""

    items: list[Worker]
    next: None


class Key(Struct):
    """A key, without its secret."""

    id: str
    name: str
    role: str
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    used_at: Time | None


class NewKey(Key):
    """A key with its secret, which is shown this once."""

    secret: str


class Keys(Struct):
    """All that there have been."""

    items: list[Key]
    next: None


class Health(Struct):
    """All is well."""

    status: str


class Version(Struct):
    """The release, the newest version of Programs that it runs, and its language."""

    version: str
    ir: int
    dsl: str


class Diverging(Struct):
    """A running instance, and what a new version would decide otherwise."""

    id: str
    problem: str


class Problem(Struct):
    """An error (RFC 9457). `code` is stable; other members belong to some codes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str | UnsetType = UNSET
    diagnostics: list[dict[str, Any]] | UnsetType = UNSET
    changes: list[str] | UnsetType = UNSET
    breaks: list[str] | UnsetType = UNSET
    diverging: list[Diverging] | UnsetType = UNSET
    index: Annotated[
        int | UnsetType, Meta(description="Which item of the list is wrong; the first one is 0.")
    ] = UNSET
    error: dict[str, Any] | UnsetType = UNSET
