"""A checked document of kind ``test``: what a workflow is made to do, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.dsl.model import Json
from perdure.dsl.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A value that an author wrote, so that null can be told from nothing."""

    value: Json
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Mock:
    """What an activity does: fails with each of ``fails`` in turn, then returns ``result``.

    Without a result the last error stays. An activity without a mock is not called for real.
    """

    activity: str
    fails: tuple[str, ...]
    result: Constant | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Lets virtual time pass, in microseconds."""

    duration: int
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashAfter:
    """Kills the engine after so many committed events, and starts another."""

    events: int
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseEvent:
    """Sends an event to the instance."""

    event: str
    payload: Json
    span: Span


Moment: TypeAlias = Advance | CrashAfter | RaiseEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What must be true at the end; what is None was not asked for."""

    status: str | None
    output: Constant | None
    error: Constant | None
    called: tuple[tuple[str, int], ...]
    history: str | None
    history_events: int | None
    """The most events that a history may have."""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run of the workflow."""

    name: str
    input: Json
    mocks: tuple[Mock, ...]
    timeline: tuple[Moment, ...]
    expect: Expectation
    span: Span
    name_span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """One document of kind ``test``."""

    workflow: str
    workflow_span: Span
    cases: tuple[Case, ...]
    span: Span
    file: str = field(compare=False, default="")
