"""A checked document: what the author wrote, with defaults resolved and every place kept.

Frozen dataclasses, one a construct of the language. A ``Value`` is YAML whose leaves may be
expressions (see ``expr.ast``). Durations are integers of microseconds where they are constant.
Paths name a step for people and for idempotency keys: ``do/3/settled/do/0/reconcile``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from perdure.dsl.expr.ast import Value
from perdure.dsl.source import Span

Json: TypeAlias = Any
Duration: TypeAlias = "int | Value"
"""Microseconds, or an expression (of type duration, or text that reads as one)."""
Count: TypeAlias = "int | Value"
Chunk: TypeAlias = "int | Literal['auto', 'off']"
"""How a fan_out is cut into child instances; an int is the size of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An entry of ``vars``."""

    name: str
    initial: Json
    schema: Json | None = None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDeclaration:
    """An entry of ``events``."""

    name: str
    schema: Json | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDeclaration:
    """An entry of ``errors``."""

    name: str
    status: int | None
    retryable: bool
    schema: Json | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A retry policy with its defaults filled in. ``when`` sees ``error``.

    ``max_delay`` is None for its default, the larger of 1h and the delay, when the delay is an expression.
    ``policy`` is the name it has under ``retries``; there ``when`` sees no steps.
    """

    attempts: Count
    delay: Duration
    backoff: float
    max_delay: Duration | None
    jitter: Literal["none", "full"]
    on: tuple[str, ...]
    except_: tuple[str, ...]
    when: Value | None
    span: Span
    policy: str | None = None
    on_spans: tuple[Span, ...] = ()
    except_spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimit:
    """``concurrency``: at most ``limit`` at once of those with the same key."""

    key: Value
    limit: Count
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityTarget:
    """``Type@key``: the type is constant, the key may be an expression."""

    type: str
    key: Value
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What every item of a block has.

    ``name`` is None for a statement; ``guard`` is the modifier ``if``, ``output`` replaces the value.
    """

    path: str
    span: Span
    name: str | None = None
    name_span: Span | None = None
    guard: Value | None = None
    output: Value | None = None
    summary: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A list of steps. Its value is by rule 4 of the language's scope rules.

    ``value_of`` says which: the trailing ``output`` statement, the one named step, or none.
    """

    steps: tuple[Step, ...]
    value_of: str | None = None
    """Name of the step whose value is the block's; None with a trailing ``Output`` or no value."""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded(Step):
    """A step that takes ``timeout``, ``deadline`` and ``retry``.

    With ``retry``, ``timeout`` bounds one attempt and ``deadline`` all of them with their waits.
    """

    timeout: Duration | None = None
    deadline: Duration | None = None
    retry: Retry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """Where an entry of a ``with`` that is a map stands: its key and its value."""

    name: str
    span: Span
    value_span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Bounded):
    """``call``: one activity. ``output`` is evaluated by the worker and sees ``result`` alone."""

    activity: str
    activity_span: Span
    arguments: Value | None
    idempotency_key: Value | None
    heartbeat: Duration | None = None
    queue: str | None = None
    priority: int | None = None
    fairness_key: Value | None = None
    concurrency: KeyLimit | None = None
    compensate: Compensate | None = None
    arguments_span: Span | None = None
    argument_places: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use(Bounded):
    """``call`` of an entry of ``functions``: its task, put in here as the one step of ``body``.

    The body sees ``args`` and the names that are visible everywhere, none of the names around the call.
    """

    function: str
    function_span: Span
    arguments: Value | None
    body: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWorkflow(Bounded):
    """``call_workflow``: a child instance; the value is its output.

    ``version`` is a range such as ``^2.0``; None for ``^`` of the newest version at deploy.
    """

    workflow: str
    workflow_span: Span
    version: str | None
    arguments: Value | None
    instance_id: Value | None
    if_exists: Literal["reject", "reuse", "replace_ended"]
    on_parent_close: Literal["terminate", "cancel", "abandon"]
    child_tags: tuple[tuple[str, Value], ...] = ()
    compensate: Compensate | None = None
    version_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkflow(Step):
    """``start_workflow``: a detached instance; the value is its id. ``start_at`` is of type timestamp."""

    workflow: str
    workflow_span: Span
    version: str | None
    arguments: Value | None
    instance_id: Value | None
    if_exists: Literal["reject", "reuse", "replace_ended"]
    start_at: Value | None
    child_tags: tuple[tuple[str, Value], ...] = ()
    version_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEntity(Step):
    """``call_entity``: an operation of an entity; the value is its result."""

    entity: EntityTarget
    operation: str
    operation_span: Span
    arguments: Value | None
    timeout: Duration | None = None
    compensate: Compensate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensate:
    """``compensate``: what undoes a step. It sees ``step``, and with ``success`` the step's own name.

    ``action`` is the call at the path ``P/compensate``, with its own ``timeout`` and ``retry``;
    ``retry`` is apart, because a ``call_entity`` has none elsewhere.
    """

    on: Literal["success", "attempted"]
    action: Call | CallWorkflow | CallEntity
    retry: Retry | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Saga(Step):
    """``saga``: a block whose steps are undone, the last first, when it fails."""

    body: Block
    on_failure: Literal["continue", "stop"] = "continue"
    retry: Retry | None = None
    timeout: Duration | None = None
    """``retry`` is that of ``compensation``: of each undo that has none of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntities(Step):
    """``lock_entities``: a block under locks. ``entities`` is a list of targets, or an expression for one."""

    entities: tuple[EntityTarget, ...] | Value
    entities_span: Span
    body: Block
    timeout: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Do(Bounded):
    """``do``: a block as one step."""

    body: Block


@dataclass(frozen=True, slots=True, kw_only=True)
class If(Step):
    """The statement ``if``/``then``/``else``."""

    condition: Value
    then: Block
    otherwise: Block | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One ``when``/``do`` of a ``switch``."""

    when: Value
    body: Block
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Step):
    """``switch``: the first case that holds, else ``otherwise``."""

    cases: tuple[Case, ...]
    otherwise: Block | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Set(Step):
    """``set``: new values of variables; all right-hand sides see the old ones."""

    values: tuple[tuple[str, Value], ...]
    name_spans: tuple[Span, ...] = ()
    """Where the names of ``values`` stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameValue(Step):
    """``value``: names a value, without an event."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(Step):
    """The statement ``output``: last in its block, its value."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Return(Step):
    """``return``: ends the instance with this output."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise(Step):
    """``raise``: a new error, or (``error`` is a Value) a kept one, unchanged."""

    error: str | Value
    message: Value | None = None
    data: Value | None = None
    cause: Value | None = None
    error_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """One clause of ``catch``; ``when`` and the body see ``error``."""

    errors: tuple[str, ...]
    when: Value | None
    body: Block
    span: Span
    error_spans: tuple[Span, ...] = ()
    """Where the names of ``errors`` stand; none for a clause without ``errors``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try(Bounded):
    """``try``/``catch``/``finally``; the bounds act on the body, before ``catch``."""

    body: Block
    catches: tuple[Catch, ...]
    finally_: Block | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerate:
    """``on_failure: {tolerate: N}`` or ``N%``: a count, or a share from 0 to 1."""

    count: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut(Step):
    """``fan_out``: the body once an item, ``width`` at a time."""

    items: Value
    each: str
    at: str
    key: Value | None
    width: Count
    on_failure: Literal["fail_fast", "collect"] | Tolerate
    until: Value | None
    keep: Literal["results", "errors", "counts"]
    body: Block
    timeout: Duration | None = None
    chunk: Chunk = "auto"
    at_span: Span | None = None
    each_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A named branch of ``parallel`` or ``race``."""

    name: str
    body: Block
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Step):
    """``parallel``: all branches side by side."""

    branches: tuple[Branch, ...]
    on_failure: Literal["fail_fast", "collect"]
    timeout: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Race(Step):
    """``race``: decided by the first branch that ends."""

    branches: tuple[Branch, ...]
    timeout: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach(Step):
    """``for_each``: the body once an item, one after the other."""

    items: Value
    each: str
    at: str
    limit: Count | None
    body: Block
    timeout: Duration | None = None
    at_span: Span | None = None
    each_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Step):
    """``while`` (tested before an iteration) or ``until`` (tested after, sees the body's names)."""

    kind: Literal["while", "until"]
    condition: Value
    limit: Count
    at: str
    body: Block
    timeout: Duration | None = None
    checkpoint_every: int | None = None
    at_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Break(Step):
    """``break``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue(Step):
    """``continue``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait(Step):
    """``wait``: for a duration, or until a timestamp."""

    duration: Duration | None = None
    until: Value | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForEvent(Step):
    """``wait_for_event``. ``timeout`` is None for ``never``.

    With ``count`` or ``until`` the value is a list; ``until`` sees ``event``.
    """

    event: str
    timeout: Duration | None
    on_timeout: Block | None
    count: Count | None
    until: Value | None
    correlate: Value | None = None
    event_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAsNew(Step):
    """``continue_as_new``: ends the generation, the next starts with ``input``."""

    input: Value
    carry_events: bool
    version: str = "latest"
    version_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendEvent(Step):
    """``send_event``: an event to another instance."""

    to: Value
    event: str
    event_span: Span
    arguments: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalEntity(Step):
    """``signal_entity``: an operation nobody waits for. ``at`` is of type timestamp."""

    entity: EntityTarget
    operation: str
    operation_span: Span
    arguments: Value | None
    at: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Step):
    """``cancel``: asks another instance to end."""

    instance: Value
    reason: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Step):
    """``log``."""

    level: Literal["debug", "info", "warning", "error"]
    message: Value
    fields: Value | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCustomStatus(Step):
    """``set_custom_status``."""

    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """An entry of ``functions``, as a block of one step at the path ``functions/<name>``."""

    name: str
    body: Block
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """An entry of ``queries``: sees ``input``, ``vars`` and ``workflow``."""

    name: str
    value: Value
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``limits``."""

    history_events: int | None
    on_exceed: Literal["suspend", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """``retention``: microseconds that ended instances are kept, None for ever; generations kept."""

    completed: int | None
    failed: int | None
    generations: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """An entry of ``schedule``. ``input`` sees ``schedule``."""

    cron: str
    timezone: str
    overlap: Literal["skip", "queue", "cancel_previous", "allow"]
    catch_up: int | None
    input: Value | None
    span: Span
    cron_span: Span
    timezone_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One document of kind ``workflow``. Its tags and ``concurrency`` see ``input`` and ``workflow``."""

    name: str
    version: str
    summary: str | None
    tags: tuple[tuple[str, Value], ...]
    input_schema: Json | None
    output_schema: Json | None
    variables: tuple[Variable, ...]
    events: tuple[EventDeclaration, ...]
    errors: tuple[ErrorDeclaration, ...]
    body: Block
    span: Span
    name_span: Span
    functions: tuple[Function, ...] = ()
    queries: tuple[Query, ...] = ()
    concurrency: KeyLimit | None = None
    timeout: int | None = None
    limits: Limits | None = None
    retention: Retention | None = None
    schedule: tuple[Schedule, ...] = ()
    retries: tuple[Retry, ...] = ()
    key_spans: tuple[tuple[str, Span], ...] = ()
    """Where the keys of the header stand."""
    file: str = field(compare=False, default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """An entry of ``require``: when ``check`` does not hold, the operation fails with ``error``."""

    check: Value
    error: str
    message: Value | None
    span: Span
    error_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """An entry of an operation's ``signal``."""

    guard: Value | None
    entity: EntityTarget
    operation: str
    operation_span: Span
    arguments: Value | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """An entry of an operation's ``start_workflow``."""

    guard: Value | None
    workflow: str
    workflow_span: Span
    arguments: Value | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """An entry of ``let``: a name for the values below it."""

    name: str
    value: Value
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of an entity: let, require, set, return, signals, starts, delete, in this order.

    ``set`` is a map of keys of the state, or one value that replaces it; both see the old state.
    ``input_schema`` is None without ``input``.
    """

    name: str
    readonly: bool
    input_schema: Json | None
    let: tuple[Local, ...]
    require: tuple[Guard, ...]
    set: tuple[tuple[str, Value], ...] | Value | None
    set_spans: tuple[Span, ...]
    returns: Value | None
    signals: tuple[Signal, ...]
    launches: tuple[Launch, ...]
    delete: bool
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One document of kind ``entity``."""

    name: str
    version: str
    summary: str | None
    state_schema: Json | None
    initial: Json
    operations: tuple[Operation, ...]
    span: Span
    name_span: Span
    file: str = field(compare=False, default="")
