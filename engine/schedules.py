"""Schedules: what is due, what is started and what is passed over, from a row and the time. Pure.

A *slot time* is a moment that a cron expression names in its time zone. A schedule goes through its slot
times in order, once each: every one is started, waits for the occurrence before it, or is passed over for a
reason that the row keeps. The id of what is started is made from the slot time, so that it is started once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

from perdure.compiler import ir
from perdure.engine.store.rows import ScheduleRow

MOST_AT_ONCE = 100
"""Slot times that one look goes through, and occurrences that wait at most for the one before them."""
RECENT = 20
"""Outcomes that a row keeps."""
SECOND = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

OVERLAPPED = "the one before has not ended"
CROWDED = f"{MOST_AT_ONCE} wait for the one before them"
MISSED = "missed while nothing ran"
STARTED = "it was started before"


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a slot time (microseconds since 1970 UTC)."""

    at: int
    outcome: Literal["started", "waiting", "skipped"]
    instance: str | None = None
    reason: str | None = None


class Backfill(msgspec.Struct, frozen=True):
    """Slot times from ``after`` (not included) to ``until`` that are started beside the others."""

    after: int
    until: int


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a schedule is. ``after`` is the last slot time, or moment, that it has gone through."""

    after: int
    waiting: tuple[int, ...] = ()
    last: str | None = None
    """The instance that was started last."""
    recent: tuple[Outcome, ...] = ()
    started: int = 0
    skipped: int = 0
    backfill: tuple[Backfill, ...] = ()
    asked: str | None = None
    """The message that asks for its start."""


class Step(msgspec.Struct, frozen=True):
    """What one look at a schedule comes to: its new row, the slot times to start, whom to cancel."""

    row: ScheduleRow
    starts: tuple[int, ...] = ()
    cancel: str | None = None


def schedule_id(workflow: str, number: int) -> str:
    """The name of a workflow's schedule; ``number`` counts from 0."""
    return workflow if number == 0 else f"{workflow}:{number + 1}"


def instance_id(schedule: str, at: int) -> str:
    """The id of what a slot time starts."""
    return f"{schedule}@{moment(at):%Y-%m-%dT%H:%M:%SZ}"


def moment(at: int) -> datetime:
    """Microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=at)


def slot_times(cron: str, timezone: str, after: int) -> Iterator[int]:
    """Slot times later than ``after``, earliest first; both in microseconds since 1970 UTC.

    By the local calendar, as Debian's cron does it: what a change of the clocks skips is due right after it,
    what it repeats is due once, unless the expression is one for every hour or minute.
    """
    for found in CronSim(cron, moment(after).astimezone(ZoneInfo(timezone))):
        yield round((found.astimezone(UTC) - _EPOCH).total_seconds()) * SECOND


def progress_of(row: ScheduleRow) -> Progress:
    """What a row says of its progress."""
    return msgspec.json.decode(row.progress, type=Progress)


def with_progress(row: ScheduleRow, progress: Progress) -> ScheduleRow:
    """The row with another progress, due when there is something to do again."""
    text = msgspec.json.encode(progress).decode()
    return msgspec.structs.replace(row, progress=text, due=_due(row, progress))


def _due(row: ScheduleRow, progress: Progress) -> int | None:
    """When to look at it: at once while something waits or is filled in, never while it is paused."""
    if progress.backfill:
        return 0
    if row.paused:
        return None
    if progress.waiting:
        return 0
    return next(slot_times(row.cron, row.timezone, progress.after), None)


def new_row(
    workflow: str, version: str, program: str, number: int, schedule: ir.Schedule, slot: int, after: int
) -> ScheduleRow:
    """A schedule that begins after a moment."""
    row = ScheduleRow(
        id=schedule_id(workflow, number),
        slot=slot,
        workflow=workflow,
        number=number,
        version=version,
        program=program,
        cron=schedule.cron,
        timezone=schedule.timezone,
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
    )
    return with_progress(row, Progress(after=after))


def follow(row: ScheduleRow, new: ScheduleRow, now: int) -> ScheduleRow:
    """A schedule whose workflow has another active version now: it goes on from where it is.

    What another expression or time zone would have named before now is not due any more.
    """
    progress = progress_of(row)
    if (row.cron, row.timezone) != (new.cron, new.timezone):
        progress = msgspec.structs.replace(progress, after=max(progress.after, now))
    changed = msgspec.structs.replace(new, paused=row.paused, revision=row.revision)
    return with_progress(changed, progress)


def start_message(row: ScheduleRow, at: int) -> str:
    """The id of the message that asks for what a slot time starts, as the schedule is now."""
    return f"schedule/{row.id}/{row.revision}/{at}"


def look(row: ScheduleRow, now: int, *, runs: bool, there: frozenset[int] = frozenset()) -> Step:
    """What is to be done at ``now``.

    ``runs``: the instance that was started last has not ended, nor maybe begun. ``there`` are slot times that
    have an instance already: they are not filled in again.
    """
    going = _Look(row, now, runs, there)
    if not row.paused:
        going.release()
        going.pass_through()
    going.fill_in()
    return Step(with_progress(row, going.progress()), tuple(going.starts), going.cancel)


def failing(row: ScheduleRow, step: Step, problems: dict[int, str]) -> Step:
    """The same without the slot times that cannot be started, which are passed over for these reasons."""
    if not problems:
        return step
    before, progress = progress_of(row), progress_of(step.row)
    starts = tuple(at for at in step.starts if at not in problems)
    recent = tuple(
        Outcome(each.at, "skipped", reason=problems[each.at])
        if each.outcome == "started" and each.at in problems and each not in before.recent
        else each
        for each in progress.recent
    )
    failed = len(step.starts) - len(starts)
    last = instance_id(row.id, starts[-1]) if starts else before.last
    asked = start_message(row, starts[-1]) if starts else before.asked
    changed = msgspec.structs.replace(
        progress,
        recent=recent,
        last=last,
        asked=asked,
        started=progress.started - failed,
        skipped=progress.skipped + failed,
    )
    return Step(with_progress(step.row, changed), starts, step.cancel)


class _Look:
    """One look, while it goes on."""

    def __init__(self, row: ScheduleRow, now: int, runs: bool, there: frozenset[int]) -> None:
        self.row = row
        self.now = now
        self.runs = runs
        self.there = there
        self.before = progress_of(row)
        self.after = self.before.after
        self.waiting = list(self.before.waiting)
        self.last, self.asked = self.before.last, self.before.asked
        self.backfill = self.before.backfill
        self.starts: list[int] = []
        self.outcomes: list[Outcome] = []
        self.cancel: str | None = None

    def progress(self) -> Progress:
        started = sum(each.outcome == "started" for each in self.outcomes)
        skipped = sum(each.outcome == "skipped" for each in self.outcomes)
        return Progress(
            after=self.after,
            waiting=tuple(self.waiting),
            last=self.last,
            asked=self.asked,
            recent=(*self.before.recent, *self.outcomes)[-RECENT:],
            started=self.before.started + started,
            skipped=self.before.skipped + skipped,
            backfill=self.backfill,
        )

    def _start(self, at: int) -> None:
        self.starts.append(at)
        self.last, self.asked = instance_id(self.row.id, at), start_message(self.row, at)
        self.runs = True
        self.outcomes.append(Outcome(at, "started", self.last))

    def _skip(self, at: int, reason: str) -> None:
        self.outcomes.append(Outcome(at, "skipped", reason=reason))

    def release(self) -> None:
        """Start the first that waits, if the one before it has ended."""
        if self.waiting and not self.runs:
            self._start(self.waiting.pop(0))

    def pass_through(self) -> None:
        """Go through the slot times up to now."""
        times = slot_times(self.row.cron, self.row.timezone, self.after)
        due: list[int] = []
        for at in times:
            if at > self.now or len(due) == MOST_AT_ONCE:
                break
            due.append(at)
        whole = len(due) < MOST_AT_ONCE
        for at in due:
            self.after = at
            newest = whole and at == due[-1]
            if self._too_late(at, newest=newest):
                self._skip(at, MISSED)
            else:
                self._occur(at)

    def _too_late(self, at: int, *, newest: bool) -> bool:
        """Without ``catch_up`` the newest of those that were missed is started, however late."""
        if self.row.catch_up is not None:
            return self.now - at > max(self.row.catch_up, 60 * SECOND)
        return not newest and self.now - at > 60 * SECOND

    def _occur(self, at: int) -> None:
        if not self.runs and not self.waiting:
            self._start(at)
            return
        match self.row.overlap:
            case "allow":
                self._start(at)
            case "skip":
                self._skip(at, OVERLAPPED)
            case _:
                if len(self.waiting) >= MOST_AT_ONCE:
                    self._skip(at, CROWDED)
                    return
                if self.row.overlap == "cancel_previous":
                    self.cancel = self.last
                self.waiting.append(at)
                self.outcomes.append(Outcome(at, "waiting"))

    def fill_in(self) -> None:
        """Start slot times of the past that somebody has asked for, whatever else runs."""
        room = MOST_AT_ONCE - len(self.starts)
        left = []
        for each in self.backfill:
            after = each.after
            for at in slot_times(self.row.cron, self.row.timezone, after):
                if at > each.until:
                    after = each.until
                    break
                if room <= 0:
                    break
                room -= 1
                after = at
                # Ranges may have a time in common, and with what is due by itself: one message starts it.
                if at in self.there or at in self.starts:
                    self._skip(at, STARTED)
                    continue
                self.starts.append(at)
                self.outcomes.append(Outcome(at, "started", instance_id(self.row.id, at)))
            else:
                after = each.until
            if after < each.until:
                left.append(Backfill(after, each.until))
        self.backfill = tuple(left)
