"""The instructions that a workflow compiles to, and the machine that they are meant for.

The machine runs *fibers*, first in, first out. A fiber has a program counter, a *frame* (named slots
that hold JSON values) and a stack of *scopes*. It runs until it waits or ends; it never shares its
frame: a branch starts with a copy of its parent's, and its parent waits until it has ended.

``Fork`` instructions (``FanOut``, ``Parallel``, ``Race``) start branches at a body that ends with
``EndBranch``, and go on at ``end`` when the group is decided and all its branches have ended.

Scopes say what happens to a *completion* (an error, a jump out of a loop, a return) that leaves them:
a ``Bound`` scope (time limits and retry) may start its body again, a ``Try`` scope hands it to its
catch clauses and runs its ``finally``. How deep a fiber's stack is at each instruction is known when
compiling; the verifier checks it.

``ir_outside`` says the same of ``Lock`` and ``Saga`` scopes, ``ir_entity`` what an entity compiles to.

Every expression is a ``Code``: the syntax tree and the slot that each of its free names reads. An
``Amount`` is a number of microseconds (durations) or of things (counts), or Code that yields one.

``IR_VERSION`` changes with every change to the meaning of a stored Program. Positions (``line``,
``column``, and those inside syntax trees) are for people and do not count for the digest.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from perdure.compiler.ir_base import (
    ENTITY_ENVIRONMENT,
    ENVIRONMENT,
    Amount,
    Code,
    Correlation,
    Instruction,
    KeyLimit,
    RetryPolicy,
    Secret,
    Step,
    Target,
)
from perdure.compiler.ir_entity import EntityProgram, Launch, Operation, OutgoingSignal, Requirement
from perdure.compiler.ir_header import ErrorType, Limits, Retention, Schedule
from perdure.compiler.ir_outside import (
    CallEntity,
    CallWorkflow,
    Cancel,
    EnterLock,
    EnterSaga,
    LeaveLock,
    LeaveSaga,
    Register,
    SendEvent,
    SignalEntity,
    StartWorkflow,
)

IR_VERSION = 2


class Jump(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Go on at ``to``."""

    to: int


class JumpUnless(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Go on at ``to`` unless the condition holds."""

    condition: Code
    to: int


class Assign(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Compute a value into a slot."""

    slot: str
    value: Code


class Move(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Copy a slot; null without a source."""

    slot: str
    source: str | None


class SetVariables(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Compute all values, then assign the variables."""

    values: tuple[tuple[str, Code], ...]


class Call(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Schedule an activity and wait for it. The worker evaluates ``output`` over ``result``.

    The worker puts the values of ``secrets`` into the arguments, and calls the attempt lost when it hears
    nothing for the length of ``heartbeat``.
    """

    slot: str
    activity: str
    arguments: Code | None
    secrets: tuple[Secret, ...]
    key: Code | None
    output: Code | None
    heartbeat: Amount | None
    queue: str | None
    priority: int | None
    fairness_key: Code | None
    concurrency: KeyLimit | None


class Wait(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Wait for a duration or until a time; what is not in the future waits for nothing."""

    duration: Amount | None
    until: Code | None


class WaitEvent(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Wait for events of a name, of which ``correlate`` (if there) accepts some.

    ``listed``: the value is a list of ``count`` payloads, or up to the one for which ``until`` holds.
    When ``timeout`` passes: go on at ``on_timeout`` with the list so far in ``result_slot``, or raise.
    """

    slot: str
    event: str
    timeout: Amount | None
    listed: bool
    count: Amount | None
    until: Code | None
    correlate: Correlation | None
    event_slot: str
    on_timeout: int | None
    result_slot: str


class EnterBound(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Open a scope with time limits and retry. ``timeout`` bounds each attempt, ``deadline`` all."""

    timeout: Amount | None
    deadline: Amount | None
    retry: RetryPolicy | None


class LeaveBound(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Close a ``Bound`` scope: its body has ended well."""


class EnterTry(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Open a ``Try`` scope. Its body, and each clause, ends with ``LeaveTry``; then comes ``end``."""

    catch: int | None
    finally_: int | None
    end: int


class Catch(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """A clause: take the scope's error if it matches, else go on at ``otherwise``."""

    errors: tuple[str, ...]
    when: Code | None
    error_slot: str
    otherwise: int


class Rethrow(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """No clause took the scope's error: it goes on unchanged."""


class LeaveTry(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """The body or a clause has ended well: run ``finally_``, then go on at ``end``."""


class EndFinally(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Go on with what led into ``finally``."""


class Unwind(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """``break`` and ``continue``: leave scopes until ``depth`` of them are open, then go on at ``to``."""

    to: int
    depth: int


class Return(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """End the instance with an output."""

    value: Code


class Raise(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Raise a new error."""

    error: str
    message: Code | None
    data: Code | None
    cause: Code | None


class RaiseValue(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Raise a kept error, unchanged."""

    value: Code


class StartItems(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Begin a ``for_each``: the list, and room for the values, in slot ``loop``."""

    items: Code
    limit: Amount | None
    loop: str


class NextItem(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """The next item and its index into their slots, or go on at ``end``."""

    loop: str
    item_slot: str
    index_slot: str
    end: int


class EndItem(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Keep the iteration's value (null without a source) and go on at ``to``."""

    loop: str
    source: str | None
    to: int


class CollectItems(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """The values of the iterations into a slot; the loop's own slot is gone."""

    loop: str
    slot: str


class StartRounds(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Begin a ``while`` or ``until``: the limit into slot ``loop``."""

    limit: Amount
    loop: str
    index_slot: str


class NextRound(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Count an iteration; raises ``perdure.LimitExceeded`` when there were ``limit`` already."""

    loop: str
    index_slot: str


class Checkpoint(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Every ``every`` iterations of a loop, go on after this instruction in a new generation.

    It starts with the same input, the variables, the events that nobody has taken, the slots ``carries``,
    and the scopes that are open here with the time that they have left. ``index_slot`` has the
    iteration that has just ended, counted over all generations.
    """

    every: int
    index_slot: str
    carries: tuple[str, ...]


class FanOut(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Run the body (at ``body``) once an item, ``width`` at a time.

    ``chunk``: ``off`` in this instance; a number of items for each child instance; ``auto`` as the
    engine sees fit. Always ``off`` under locks, with ``until``, and where items wait for events, set the
    custom status or register compensations with a saga around.
    ``captures`` are the slots that the body, ``key`` and ``until`` read of this frame.
    ``policy`` is ``fail_fast``, ``collect`` or ``tolerate``; ``tolerate`` is a count, or a share.
    """

    slot: str
    items: Code
    item_slot: str
    index_slot: str
    key_slot: str
    key: Code | None
    width: Amount
    policy: str
    tolerate_count: int | None
    tolerate_share: float | None
    until: Code | None
    until_slots: tuple[str, ...]
    keep: str
    chunk: int | str
    captures: tuple[str, ...]
    body: int
    end: int


class Parallel(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Run all branches (name and start) side by side."""

    slot: str
    branches: tuple[tuple[str, int], ...]
    collect: bool
    end: int


class Race(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Run all branches; the first that ends decides, the others are canceled."""

    slot: str
    branches: tuple[tuple[str, int], ...]
    end: int


class EndBranch(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """A branch has ended with the value of a slot (null without a source)."""

    source: str | None


class ContinueAsNew(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """End the generation; the next one starts with ``input``.

    It runs ``version``: ``pinned`` (this Program), ``latest`` (the newest of this major version), or a range.
    """

    input: Code
    carry: bool
    version: str


class Log(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """A line for the log, written once when the turn is committed."""

    level: str
    message: Code
    fields: Code | None


class SetCustomStatus(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """Show a value as the instance's custom status."""

    value: Code


class End(Instruction, frozen=True, kw_only=True, tag_field="op", tag=True):
    """End the instance with null."""


Op: TypeAlias = (
    Jump
    | JumpUnless
    | Assign
    | Move
    | SetVariables
    | Call
    | Wait
    | WaitEvent
    | EnterBound
    | LeaveBound
    | EnterTry
    | Catch
    | Rethrow
    | LeaveTry
    | EndFinally
    | Unwind
    | Return
    | Raise
    | RaiseValue
    | StartItems
    | NextItem
    | EndItem
    | CollectItems
    | StartRounds
    | NextRound
    | Checkpoint
    | FanOut
    | Parallel
    | Race
    | EndBranch
    | ContinueAsNew
    | Log
    | SetCustomStatus
    | CallWorkflow
    | StartWorkflow
    | CallEntity
    | SignalEntity
    | EnterLock
    | LeaveLock
    | EnterSaga
    | LeaveSaga
    | Register
    | SendEvent
    | Cancel
    | End
)


class Program(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="workflow"):
    """A compiled workflow: plain data, the same wherever it runs.

    ``variables`` are initial values; ``timeout`` is in microseconds. Tags, queries and concurrency read
    nothing but the environment. ``file`` names the source for people, ``places`` says where the keys of the
    header stand, as pairs of line and column.
    """

    ir: int
    name: str
    version: str
    code: tuple[Op, ...]
    steps: tuple[Step, ...]
    variables: dict[str, Any]
    events: dict[str, Any]
    errors: dict[str, ErrorType]
    input_schema: Any
    output_schema: Any
    tags: dict[str, Code]
    queries: dict[str, Code]
    concurrency: KeyLimit | None
    timeout: int | None
    limits: Limits | None
    retention: Retention | None
    schedules: tuple[Schedule, ...]
    file: str = ""
    places: dict[str, tuple[int, int]] = {}


__all__ = [
    "ENTITY_ENVIRONMENT", "ENVIRONMENT", "IR_VERSION", "Amount", "Assign", "Call", "CallEntity",
    "CallWorkflow", "Cancel", "Catch", "Checkpoint", "Code", "CollectItems", "ContinueAsNew", "Correlation",
    "End", "EndBranch", "EndFinally", "EndItem", "EnterBound", "EnterLock", "EnterSaga", "EnterTry",
    "EntityProgram", "ErrorType", "FanOut", "Instruction", "Jump", "JumpUnless", "KeyLimit", "Launch",
    "LeaveBound", "LeaveLock", "LeaveSaga", "LeaveTry", "Limits", "Log", "Move", "NextItem", "NextRound",
    "Op", "Operation", "OutgoingSignal", "Parallel", "Program", "Race", "Raise", "RaiseValue", "Register",
    "Requirement", "Retention", "Rethrow", "RetryPolicy", "Return", "Schedule", "Secret", "SendEvent",
    "SetCustomStatus", "SetVariables", "SignalEntity", "StartItems", "StartRounds", "StartWorkflow", "Step",
    "Target", "Unwind", "Wait", "WaitEvent",
]  # fmt: skip
