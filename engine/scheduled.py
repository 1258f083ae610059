"""What operators do with schedules, and what they see of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice, takewhile
from typing import Any

import msgspec

from perdure.compiler.runtime import EvalError
from perdure.engine import audit, schedules
from perdure.engine.errors import Conflict, NotFound, Refused, UserError
from perdure.engine.linked import LinkedProgram
from perdure.engine.schedules import Backfill, instance_id, slot_times
from perdure.engine.scheduling import schedule_input
from perdure.engine.store.protocol import Store
from perdure.engine.store.rows import ScheduleRow, ScheduleWrite
from perdure.engine.views import time_text

TRIES = 10
"""How often a change is tried beside an owner that moves the schedule on."""
MAX_RANGES = 20
"""Ranges that are filled in at one time."""
MAX_TIMES = 10_000
"""Times of one range: a slip of the pen in its year should not start millions."""

__all__ = ["backfill", "input_of", "instance_id", "pause", "resume", "row_of", "schedule_view", "shown"]


def row_of(store: Store, schedule_id: str) -> ScheduleRow:
    """The row. Raises ``NotFound``."""
    row = store.schedule(schedule_id)
    if row is None:
        hint = "it begins when its workflow is deployed and a worker runs"
        raise NotFound(f"there is no schedule {schedule_id!r}", hint=hint)
    return row


def schedule_view(row: ScheduleRow) -> dict[str, Any]:
    """The document of a schedule without its outcomes."""
    progress = schedules.progress_of(row)
    upcoming = (
        None if row.paused else next(schedules.slot_times(row.cron, row.timezone, progress.after), None)
    )
    return {
        "id": row.id,
        "workflow": row.workflow,
        "version": row.version,
        "cron": row.cron,
        "timezone": row.timezone,
        "overlap": row.overlap,
        "catch_up": None if row.catch_up is None else row.catch_up / 1_000_000,
        "paused": row.paused,
        "next": time_text(upcoming),
        "waiting": len(progress.waiting),
        "started": progress.started,
        "skipped": progress.skipped,
        "last": progress.last,
    }


def shown(store: Store, schedule_id: str) -> dict[str, Any]:
    """The whole document of a schedule."""
    row = row_of(store, schedule_id)
    progress = schedules.progress_of(row)
    recent = [
        {"at": time_text(each.at), "outcome": each.outcome, "instance": each.instance, "reason": each.reason}
        for each in reversed(progress.recent)
    ]
    filling = [{"from": time_text(each.after), "to": time_text(each.until)} for each in progress.backfill]
    return {**schedule_view(row), "recent": recent, "backfill": filling}


def pause(store: Store, schedule_id: str, actor: str) -> dict[str, Any]:
    """Start nothing by it."""
    return _change(store, schedule_id, actor, "pause", lambda row: _paused(row, paused=True))


def resume(store: Store, schedule_id: str, actor: str) -> dict[str, Any]:
    """Let it go on from now."""
    now = store.time()

    def going(row: ScheduleRow) -> ScheduleRow:
        if not row.paused:
            return row
        progress = schedules.progress_of(row)
        progress = msgspec.structs.replace(progress, after=max(progress.after, now))
        return schedules.with_progress(msgspec.structs.replace(row, paused=False), progress)

    return _change(store, schedule_id, actor, "resume", going)


def backfill(store: Store, schedule_id: str, begin: str, end: str, actor: str) -> dict[str, Any]:
    """Start what was due in a range. Raises ``UserError`` for one that is none."""
    first, last = _time(begin), min(_time(end), store.time())
    if last < first:
        raise UserError(f"the range from {begin} to {end} has no time that has come")

    def filling(row: ScheduleRow) -> ScheduleRow:
        progress = schedules.progress_of(row)
        times = takewhile(lambda at: at <= last, slot_times(row.cron, row.timezone, first - 1))
        if next(islice(times, MAX_TIMES, None), None) is not None:
            message = f"the range from {begin} to {end} has more than {MAX_TIMES:,} times of {row.id!r}"
            raise UserError(message, hint="ask for a part of it, and for the next part when that is done")
        if len(progress.backfill) >= MAX_RANGES:
            raise Conflict(f"{MAX_RANGES} ranges of {row.id!r} are being filled in already")
        ranges = (*progress.backfill, Backfill(first - 1, last))
        return schedules.with_progress(row, msgspec.structs.replace(progress, backfill=ranges))

    return _change(store, schedule_id, actor, "backfill", filling, begin=begin, end=end)


def input_of(program: LinkedProgram, row: ScheduleRow, at: int) -> Any:
    """The input of an occurrence. Raises ``Conflict`` when it cannot be computed."""
    try:
        return schedule_input(program, row.number, at)
    except EvalError as error:
        raise Conflict(f"the input of {row.id!r} cannot be computed: {error.message}") from error


def _paused(row: ScheduleRow, *, paused: bool) -> ScheduleRow:
    changed = msgspec.structs.replace(row, paused=paused)
    return schedules.with_progress(changed, schedules.progress_of(row))


def _change(
    store: Store,
    schedule_id: str,
    actor: str,
    action: str,
    change: Callable[[ScheduleRow], ScheduleRow],
    **details: Any,
) -> dict[str, Any]:
    for _ in range(TRIES):
        row = row_of(store, schedule_id)
        changed = change(row)
        if changed == row:
            return {"changed": False}
        changed = msgspec.structs.replace(changed, revision=row.revision + 1)
        entry = audit.entry(actor, f"schedule.{action}", schedule_id, **details)
        try:
            store.change_schedule(ScheduleWrite(id=row.id, row=changed, before=row.revision), entry)
        except Refused:
            continue
        return {"changed": True}
    raise Conflict(f"the schedule {schedule_id!r} changes all the time", hint="try again")


def _time(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 time. Raises ``UserError``."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UserError(f"{text!r} is no time", hint="write 2026-03-01T02:00:00Z")
    return round(found.timestamp() * 1_000_000)
