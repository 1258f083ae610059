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

from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", gc=False):
    """The common shape: a tagged, immutable record. It has no cycles, so the collector need not look.

    ``stored`` has the keys of values that are kept apart, by the field they belong to: only in the text
    of a history or a message, never in an event that the machine hears of or decides (``codec``).
    """

    stored: dict[str, str] | None = None


# -- received -------------------------------------------------------------------------------------


class EventRaised(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="EventRaised"):
    """An event reached the instance; it is consumed whether something waits for it or not."""

    name: str
    input: Json = None


class ExecutionStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionStarted"):
    """The first event of every generation.

    ``execution`` names this generation of this instance and nothing else, ever. ``digest`` pins the
    Program. ``key_seed`` is what idempotency keys are made from. ``carried`` are events that the
    generation before did not consume, oldest first. ``queue`` is the private queue that this
    instance's tasks go to, if it has one.
    """

    execution: str
    name: str
    version: str
    digest: str
    generation: int
    key_seed: str
    input: Json = None
    tags: dict[str, str] = {}
    parent_id: str | None = None
    queue: str | None = None
    carried: tuple[EventRaised, ...] = ()


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
    """From here events are recorded, and wait for ``ExecutionResumed``."""

    reason: str | None = None


class ExecutionResumed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionResumed"):
    """What was recorded while suspended is now acted on, in order."""

    reason: str | None = None


class ExecutionTerminated(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionTerminated"):
    """The instance ends at once, without cleanup. The last event of its history."""

    reason: str | None = None


# -- decided --------------------------------------------------------------------------------------


class TaskScheduled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="TaskScheduled"):
    """An activity is asked for. ``path`` is the step's, with item keys; ``attempt`` counts from 1."""

    name: str
    key: str
    path: str
    attempt: int = 1
    has_input: bool = True
    input: Json = None


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


class ContinueAsNew(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ContinueAsNew"):
    """The generation ends here; the next one starts with this input and ``carried`` events."""

    input: Json = None
    carried: int = 0


class ExecutionCompleted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="ExecutionCompleted"):
    """The instance ended by itself: ``Completed`` with an output, or ``Failed`` with an error."""

    status: str
    output: Json = None
    error: dict[str, Json] | None = None


Received: TypeAlias = (
    ExecutionStarted
    | TaskCompleted
    | TaskFailed
    | TimerFired
    | EventRaised
    | ExecutionSuspended
    | ExecutionResumed
    | ExecutionTerminated
)
Decided: TypeAlias = (
    TaskScheduled | TaskCanceled | TimerCreated | TimerCanceled | ContinueAsNew | ExecutionCompleted
)
Event: TypeAlias = Received | Decided

ANSWERS = (TaskCompleted, TaskFailed, TimerFired)
"""What answers a decision, with its ``seq``."""
RESULTS = (TaskCompleted, TaskFailed)
DECIDED = (TaskScheduled, TaskCanceled, TimerCreated, TimerCanceled, ContinueAsNew, ExecutionCompleted)


def kind(event: Event) -> str:
    """The event's name as it stands in a history."""
    return type(event).__name__
