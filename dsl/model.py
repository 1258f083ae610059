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
class Call(Bounded):
    """``call``: one activity. ``output`` is evaluated by the worker and sees ``result`` alone."""

    activity: str
    activity_span: Span
    arguments: Value | None
    idempotency_key: Value | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Catch:
    """One clause of ``catch``; ``when`` and the body see ``error``."""

    errors: tuple[str, ...]
    when: Value | None
    body: Block
    span: Span


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Step):
    """``while`` (tested before an iteration) or ``until`` (tested after, sees the body's names)."""

    kind: Literal["while", "until"]
    condition: Value
    limit: Count
    at: str
    body: Block
    timeout: Duration | None = None


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
    event_span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAsNew(Step):
    """``continue_as_new``: ends the generation, the next starts with ``input``."""

    input: Value
    carry_events: bool


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
class Workflow:
    """One document of kind ``workflow``."""

    name: str
    version: str
    summary: str | None
    tags: tuple[tuple[str, str], ...]
    input_schema: Json | None
    output_schema: Json | None
    variables: tuple[Variable, ...]
    events: tuple[EventDeclaration, ...]
    errors: tuple[ErrorDeclaration, ...]
    body: Block
    span: Span
    name_span: Span
    file: str = field(compare=False, default="")
