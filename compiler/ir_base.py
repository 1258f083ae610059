"""What all instructions and Programs are made of: expressions with their slots, amounts, policies, steps.

Positions (``line``, ``column``, ``places``, ``file``, and those inside syntax trees) are for people and
do not count for a digest; everything else does.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from perdure.dsl.expr.ast import Value

ENVIRONMENT = frozenset({"input", "vars", "workflow"})
"""Names that a workflow's expressions read from the instance, unless a slot is given for them."""

ENTITY_ENVIRONMENT = frozenset({"state", "input", "key"})
"""Names that an operation's expressions read from the entity and the call."""


class Code(msgspec.Struct, frozen=True, array_like=True):
    """A value to compute, and the slots of its free names, as pairs of name and slot."""

    value: Value
    reads: tuple[tuple[str, str], ...] = ()


Amount: TypeAlias = int | Code
"""Microseconds, or a number of things."""


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a failed body starts again. ``when`` reads the error from ``error_slot``.

    Without a ``max_delay`` it is the larger of an hour and ``delay``.
    """

    attempts: Amount
    delay: Amount
    backoff: float
    max_delay: Amount | None
    jitter: bool
    on: tuple[str, ...]
    except_: tuple[str, ...]
    when: Code | None
    error_slot: str


class KeyLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``limit`` at once of those whose ``key`` (text) is the same."""

    key: Code
    limit: Amount


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An entity: its type, and its key as text."""

    type: str
    key: Code


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret's name, and where in the arguments (which are null there) the worker puts its value."""

    path: tuple[str | int, ...]
    name: str


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a wait accepts: those for which ``condition`` holds. It reads the event from its slot.

    The condition implies that ``event_key``, which reads nothing but the event, equals ``known``, which
    does not read it. So a wait can be looked up by ``known``, as it is when the wait begins.
    """

    condition: Code
    event_key: Code
    known: Code


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the document: what people and histories call it, and where it stands.

    ``name`` of a statement is that of the nearest named step around it, None without one.
    ``path`` alternates literal text and the slot whose value names the item or iteration there.
    """

    name: str | None
    path: tuple[str, ...]
    line: int = 0
    column: int = 0

    @property
    def static_path(self) -> str:
        """The path without item keys: ``do/0/mails[]/do/0/sent``."""
        return "[]".join(self.path[::2])


class Instruction(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", tag=True):
    """``step`` is the index of the step that this belongs to."""

    step: int
