"""Everything that can be in a history, with the names that Durable Task gave them.

A history is a list of events, numbered from 0 in each generation; the number is the event's ``seq``.
Each row of the history is one turn: the events it received and, after each of them, what the machine
decided on hearing it. All events of a turn share one time, the turn's. So an event holds neither its
``seq`` nor its time: the row does (``HistoryRow``).

``Received`` events come from outside: replay feeds them to the machine. ``Decided`` events come from
the machine: replay compares them, in order, with what the machine decides again.

Whatever answers a decision carries ``scheduled_seq``, the ``seq`` of that decision. A retry is a new
``TaskScheduled`` with a new ``seq`` and the same ``key``. Times are integers of microseconds since
1970 UTC; durations are integers of microseconds; payloads are JSON values. A field that holds a
payload is called as one in ``codec.FIELDS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import msgspec

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Json: TypeAlias = Any


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """The common shape: a tagged, immutable record. It has no cycles, so the collector need not look.

    ``stored`` has the keys of values that are kept apart, by the field they belong to: only in the text
    of a history or a message, never in an event that the machine hears of or decides (``codec``).
    """

    stored: dict[str, str] | None = None


class OpenBound(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A scope with time limits that is open at a checkpoint, and when its clocks run out."""

    pc: int
    attempt: int = 1
    limit: int | None = None
    policy: tuple[int, int, int] | None = None
    timeout_at: int | None = None
    deadline_at: int | None = None


class Resume(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where a generation goes on after a checkpoint of the same Program, and with what."""

    pc: int
    frame: dict[str, Json]
    variables: dict[str, Json]
    bounds: tuple[OpenBound, ...] = ()


# -- received -------------------------------------------------------------------------------------


class Asker(msgspec.Struct, frozen=True, gc=False):
    """Who waits for an answer: an instance's execution, and the ``seq`` of its decision to ask."""

    instance: str
    execution: str
    seq: int


class Chunk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A part of a ``fan_out`` that a child does for its parent: ``length`` items from ``offset`` on.

    ``step`` is the number of the ``FanOut``, and ``generation`` the parent's. ``width`` items run at once;
    after more failures than ``spare`` no further one is started. ``items`` and ``around`` are keys of the
    parent's values: of the whole list, and of what its items see beside themselves. An event that the
    machine hears of has them at hand, as ``share`` (its items alone) and ``scene``; they are in no text.
    """

    step: int
    generation: int
    offset: int
    length: int
    width: int
    items: str
    around: str
    spare: int | None = None
    share: list[Json] | None = None
    scene: dict[str, Json] | None = None


class EventRaised(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="EventRaised"):
    """An event reached the instance; it is consumed whether something waits for it or not.

    ``correlated``: it was sent by its content, to those who wait for it; nobody else is to have it.
    """

    name: str
    input: Json = None
    correlated: bool = False


class ExecutionStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionStarted"):
    """The first event of every generation.

    ``execution`` names this generation of this instance and nothing else, ever. ``digest`` pins the
    Program. ``key_seed`` is what idempotency keys are made from. ``carried`` are events that the
    generation before did not consume, oldest first; ``canceled`` is a cancellation that it had recorded and
    not acted on. ``first_started_at`` is when the first generation began, None in that one; ``resume`` is
    where this one goes on, None for one that begins at the beginning. ``upgrade`` is the version that it is
    to run, for as long as none has been chosen: no history has one. ``queue`` is
    the private queue that this instance's tasks go to, if it has one, and ``local`` the digests of
    workflows that are found there before any that is deployed, by name. ``parent`` waits for the
    instance's end, unless it was ``told`` of an earlier one, and so do ``others``.
    With a ``chunk`` it does a part of its parent's work: ``rule`` says how long lists are split.
    """

    execution: str
    name: str
    version: str
    digest: str
    generation: int
    key_seed: str
    input: Json = None
    tags: dict[str, str] = {}
    parent: Asker | None = None
    told: bool = False
    others: tuple[Asker, ...] = ()
    queue: str | None = None
    local: dict[str, str] = {}
    carried: tuple[EventRaised, ...] = ()
    canceled: ExecutionCanceled | None = None
    first_started_at: int | None = None
    resume: Resume | None = None
    chunk: Chunk | None = None
    rule: int = 1
    upgrade: str | None = None

    @property
    def parent_id(self) -> str | None:
        """The instance that this one is a part of."""
        return None if self.parent is None else self.parent.instance


class TaskCompleted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TaskCompleted"):
    """An activity returned (and ``output`` of its step was applied)."""

    scheduled_seq: int
    result: Json = None


class TaskFailed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TaskFailed"):
    """An activity raised. ``retry_after`` (microseconds) replaces the policy's wait."""

    scheduled_seq: int
    error: str
    message: str
    data: Json = None
    retryable: bool = True
    retry_after: int | None = None


class TimerFired(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TimerFired"):
    """A timer is due by the store's clock."""

    scheduled_seq: int


class ExecutionSuspended(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionSuspended"):
    """From here events are recorded, and wait for ``ExecutionResumed``.

    With a ``parent``, here and in its like, it is meant for that one's child alone, not for another instance
    of the same id.
    """

    reason: str | None = None
    parent: Asker | None = None


class ExecutionResumed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionResumed"):
    """What was recorded while suspended is now acted on, in order."""

    reason: str | None = None
    parent: Asker | None = None


class ExecutionTerminated(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionTerminated"):
    """The instance ends at once, without cleanup. The last event of its history."""

    reason: str | None = None
    parent: Asker | None = None


class ExecutionCanceled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionCanceled"):
    """The instance is to end: ``perdure.Canceled`` is raised, ``finally`` and compensations run.

    ``unstarted``: its start was not due yet, and it ends at once.
    """

    reason: str | None = None
    parent: Asker | None = None
    unstarted: bool = False


class FanOutStopped(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="FanOutStopped"):
    """A chunk is to start no further item: too many have failed in all chunks together."""

    parent: Asker | None = None


class StartRequested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="StartRequested"):
    """A message that asks for an instance under the id it is sent to; it is in no history.

    The instance's first execution will be ``execution``. ``version`` is exact or a range, None for the active
    one. ``asker`` is told when the instance has ended if it is a ``child``, else when it is there, and in
    both cases when it cannot be started. It begins at ``due``, in microseconds since 1970 UTC. ``again``: an
    earlier execution of the asker has asked for it already, so the one that is there goes on.
    A ``chunk`` runs the Program of this ``digest``, with the ``key_seed`` of whoever asks.
    """

    name: str
    version: str | None = None
    execution: str
    input: Json = None
    tags: dict[str, str] = {}
    if_exists: str = "reject"
    due: int = 0
    asker: Asker | None = None
    child: bool = False
    attempt: int = 1
    again: bool = False
    queue: str | None = None
    local: dict[str, str] = {}
    chunk: Chunk | None = None
    digest: str | None = None
    key_seed: str | None = None


class ParentAttached(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ParentAttached"):
    """Somebody else waits for this instance's end too: it was there already when it was asked for."""

    asker: Asker


class SubOrchestrationInstanceCompleted(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="SubOrchestrationInstanceCompleted"
):
    """A child has ended well, or an instance that nobody waits for is there; its id is the result then."""

    scheduled_seq: int
    result: Json = None


class SubOrchestrationInstanceFailed(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="SubOrchestrationInstanceFailed"
):
    """A child has ended otherwise, or could not be started."""

    scheduled_seq: int
    error: str
    message: str
    data: Json = None
    cause: Json = None
    retryable: bool = True


class StepResolved(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="StepResolved"):
    """An operator ends the wait at a ``path``: with a result, or with an ``error`` of that type.

    Whoever works for the wait is told to stop; what it answers all the same is superseded.
    """

    path: str
    result: Json = None
    error: str | None = None
    message: str = ""
    data: Json = None
    reason: str | None = None


class ExecutionRewound(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionRewound"):
    """An instance that had ended goes on as if what it failed of had not happened.

    As an order it says why, and who is told of the end. In a history it stands behind all that is taken for
    done, with the ``error`` that was left out; the history before it is written anew.
    """

    reason: str | None = None
    parent: Asker | None = None
    error: dict[str, Json] | None = None


class ExecutionForked(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionForked"):
    """An instance begins with the past of another one, the ``source``, as it was before a ``step``.

    The first message of the instance has its ``input`` and the ``turns`` of its history: the time of each,
    and its events as text. ``fresh`` are the decisions in them that the source did not make. In the history
    it stands behind all of that, without it.
    """

    source: str
    step: str
    reason: str | None = None
    input: Json = None
    turns: tuple[tuple[int, str], ...] = ()
    fresh: tuple[int, ...] = ()


class ExecutionMigrated(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionMigrated"):
    """From here another version of the workflow runs, which replays everything before."""

    version: str
    digest: str
    reason: str | None = None


class ExecutionRestarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionRestarted"):
    """An operator's order to an instance that has ended: begin the next generation with this input.

    ``version`` and ``digest`` name the Program. It stands in no history: the new generation's start does.
    """

    version: str
    digest: str
    input: Json = None
    reason: str | None = None


class EntityOperationCompleted(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityOperationCompleted"
):
    """An entity has carried out what it was called for."""

    scheduled_seq: int
    result: Json = None


class EntityOperationFailed(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityOperationFailed"
):
    """An operation failed, and nothing of it was done."""

    scheduled_seq: int
    error: str
    message: str
    data: Json = None


class EntityLockGranted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityLockGranted"):
    """An entity is held, until it is unlocked."""

    scheduled_seq: int


class OperationRequested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="OperationRequested"):
    """A message to an entity: carry out an operation. It is in no history.

    ``asker`` is an instance that waits for the answer, ``request`` (route, target and key) what a client
    finds it under; for a signal there is neither. ``holder`` is the request for the lock under which the
    operation is asked for.
    """

    operation: str
    input: Json = None
    asker: Asker | None = None
    holder: Asker | None = None
    request: tuple[str, str, str] | None = None


class LockRequested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="LockRequested"):
    """A message to an entity: let ``holder`` alone speak to you, once its turn has come."""

    holder: Asker


class LockReleased(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="LockReleased"):
    """A message to an entity: ``holder`` does not need you, whether it holds you or still waits for that."""

    holder: Asker


class DeleteRequested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="DeleteRequested"):
    """A message to an entity: be no more, once those who spoke before have been heard."""


# -- decided --------------------------------------------------------------------------------------


class TaskScheduled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TaskScheduled"):
    """An activity is asked for. ``path`` is the step's, with item keys; ``attempt`` counts from 1.

    ``queue`` names the workers that may run it, empty for all. Of those that wait, a larger ``priority``
    goes first, and different ``fairness_key`` take turns. Of one ``concurrency_key`` at most
    ``concurrency_limit`` run at once, in the whole hub. Whoever runs it is heard of every ``heartbeat``
    microseconds, if it has one.
    """

    name: str
    key: str
    path: str
    attempt: int = 1
    has_input: bool = True
    input: Json = None
    queue: str = ""
    priority: int = 0
    fairness_key: str = ""
    concurrency_key: str = ""
    concurrency_limit: int = 0
    heartbeat: int = 0


class TaskCanceled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TaskCanceled"):
    """Nobody waits for this task any more; a late result is superseded."""

    scheduled_seq: int


class TimerCreated(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TimerCreated"):
    """Wake the instance at ``fire_at``. ``purpose``: wait, timeout, deadline or retry."""

    fire_at: int
    purpose: str
    path: str


class TimerCanceled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TimerCanceled"):
    """The timer must not fire any more."""

    scheduled_seq: int


class FanOutSplit(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="FanOutSplit"):
    """A ``fan_out`` over ``total`` items is done by children: ``size`` items each, ``at_once`` of them.

    Each runs ``width`` items at once. The children read ``items`` and ``around`` from here: however small,
    both are kept apart.
    """

    path: str
    total: int
    size: int
    at_once: int
    width: int
    items: Json = None
    around: Json = None


class SubOrchestrationInstanceCreated(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="SubOrchestrationInstanceCreated"
):
    """A child is asked for, and waited for. ``on_close``: terminate, cancel or abandon it.

    With a ``chunk`` it does a part of a ``fan_out`` of this instance.
    """

    instance: str
    name: str
    path: str
    version: str | None = None
    input: Json = None
    tags: dict[str, str] = {}
    if_exists: str = "reject"
    on_close: str = "terminate"
    attempt: int = 1
    chunk: Chunk | None = None


class SubOrchestrationCanceled(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="SubOrchestrationCanceled"
):
    """Nobody waits for this child any more. ``action`` is what becomes of it: terminate, cancel, abandon."""

    scheduled_seq: int
    instance: str
    action: str


class ChunkStopped(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ChunkStopped"):
    """A chunk is told to start no further item; it is waited for."""

    scheduled_seq: int
    instance: str


class ChunkCanceled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ChunkCanceled"):
    """A chunk is told to cancel its items; it is waited for."""

    scheduled_seq: int
    instance: str


class InstanceStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="InstanceStarted"):
    """An instance is asked for whose end nobody waits for; the answer comes when it is there.

    It begins at ``start_at``, in microseconds since 1970 UTC.
    """

    instance: str
    name: str
    path: str
    version: str | None = None
    input: Json = None
    tags: dict[str, str] = {}
    if_exists: str = "reject"
    start_at: int = 0


class EventSent(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="EventSent"):
    """An event for another instance."""

    instance: str
    name: str
    path: str
    input: Json = None


class CancelSent(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="CancelSent"):
    """Another instance is asked to end."""

    instance: str
    path: str
    reason: str | None = None


class EntityOperationCalled(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityOperationCalled"
):
    """An operation is asked for, and its answer waited for. ``lock`` is the ``seq`` of the lock's request."""

    entity: str
    operation: str
    path: str
    input: Json = None
    lock: int | None = None


class EntityOperationSignaled(
    _Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityOperationSignaled"
):
    """An operation is asked for, and nobody waits; not before ``at``, in microseconds since 1970 UTC."""

    entity: str
    operation: str
    path: str
    input: Json = None
    at: int = 0
    lock: int | None = None


class EntityLockRequested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityLockRequested"):
    """A lock is asked for, and waited for."""

    entity: str
    path: str


class EntityUnlockSent(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="EntityUnlockSent"):
    """The lock that ``scheduled_seq`` asked for is needed no more, held or not."""

    scheduled_seq: int
    entity: str


class ContinueAsNew(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ContinueAsNew"):
    """The generation ends here; the next one starts with this input and ``carried`` events.

    At a ``checkpoint`` it has the same input, and goes on where this one stands. ``version`` is what it is to
    run: ``pinned`` (this Program), ``latest``, or a range.
    """

    input: Json = None
    carried: int = 0
    checkpoint: bool = False
    version: str = "pinned"


class ExecutionCompleted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionCompleted"):
    """The instance ended by itself: ``Completed`` with an output, or ``Failed`` with an error."""

    status: str
    output: Json = None
    error: dict[str, Json] | None = None


Answer: TypeAlias = (
    TaskCompleted
    | TaskFailed
    | TimerFired
    | SubOrchestrationInstanceCompleted
    | SubOrchestrationInstanceFailed
    | EntityOperationCompleted
    | EntityOperationFailed
    | EntityLockGranted
)
"""What answers a decision, with its ``seq``."""
Received: TypeAlias = (
    ExecutionStarted
    | Answer
    | EventRaised
    | ExecutionSuspended
    | ExecutionResumed
    | ExecutionTerminated
    | ExecutionCanceled
    | FanOutStopped
    | ParentAttached
    | StepResolved
    | ExecutionMigrated
    | ExecutionRestarted
    | ExecutionRewound
    | ExecutionForked
)
ToEntity: TypeAlias = OperationRequested | LockRequested | LockReleased | DeleteRequested
"""What entities hear."""
Message: TypeAlias = Received | StartRequested | ToEntity
"""What may lie in an inbox."""
Decided: TypeAlias = (
    TaskScheduled
    | TaskCanceled
    | TimerCreated
    | TimerCanceled
    | FanOutSplit
    | SubOrchestrationInstanceCreated
    | SubOrchestrationCanceled
    | ChunkStopped
    | ChunkCanceled
    | InstanceStarted
    | EventSent
    | CancelSent
    | EntityOperationCalled
    | EntityOperationSignaled
    | EntityLockRequested
    | EntityUnlockSent
    | ContinueAsNew
    | ExecutionCompleted
)
Event: TypeAlias = Received | Decided

Parental: TypeAlias = (
    ExecutionSuspended | ExecutionResumed | ExecutionTerminated | ExecutionCanceled | FanOutStopped
)
"""What a parent may tell its child."""

_ANSWERS = frozenset(get_args(Answer))
_PARENTAL = frozenset(get_args(Parental))
_DECIDED = frozenset(get_args(Decided))
_TO_ENTITY = frozenset(get_args(ToEntity))


# Each event has exactly one of these types, and to look for it in a set costs a tenth of ``isinstance``.


def is_answer(event: object) -> TypeIs[Answer]:
    """Whether it answers a decision."""
    return type(event) in _ANSWERS


def is_result(event: object) -> TypeIs[TaskCompleted | TaskFailed]:
    """Whether it is an activity's answer."""
    return type(event) is TaskCompleted or type(event) is TaskFailed


def is_beginning(event: object) -> TypeIs[ExecutionStarted | ExecutionForked]:
    """Whether it is the first message of an instance."""
    return type(event) is ExecutionStarted or type(event) is ExecutionForked


def is_reopening(event: object) -> TypeIs[ExecutionRestarted | ExecutionRewound]:
    """Whether it is an order that reaches an instance which has ended."""
    return type(event) is ExecutionRestarted or type(event) is ExecutionRewound


def is_parental(event: object) -> TypeIs[Parental]:
    """Whether a parent may tell its child so."""
    return type(event) in _PARENTAL


def is_for_entity(event: object) -> TypeIs[ToEntity]:
    """Whether it is what entities hear."""
    return type(event) in _TO_ENTITY


def is_decided(event: object) -> TypeIs[Decided]:
    """Whether it is a decision, and not what the machine has heard."""
    return type(event) in _DECIDED


def kind(event: Event | Message) -> str:
    """The event's name as it stands in a history."""
    return type(event).__name__
