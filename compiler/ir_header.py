"""What a workflow's header compiles to, besides expressions."""

from __future__ import annotations

from typing import Any

import msgspec

from perdure.compiler.ir_base import Code


class ErrorType(msgspec.Struct, frozen=True, kw_only=True):
    """A declared error: may it be retried, its HTTP status where a client waits, the schema of its data."""

    retryable: bool
    status: int | None
    schema: Any


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many events a history may have, and what happens then: ``suspend`` or ``fail``."""

    history_events: int | None
    on_exceed: str


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds that ended instances are kept (None: for ever), and how many generations are."""

    completed: int | None
    failed: int | None
    generations: int


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When instances start by themselves. ``input`` reads ``schedule`` from the slot of that name."""

    cron: str
    timezone: str
    overlap: str
    catch_up: int | None
    input: Code | None
    line: int = 0
    column: int = 0
