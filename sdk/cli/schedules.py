"""``perdure schedules``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import note_unserved, open_hub
from perdure.cli.console import console
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group
from perdure.cli.texts import time_text


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def schedules() -> None:
    """Look at what starts workflows by the calendar, and manage it."""


@schedules.command("list", cls=Command)
@click.pass_context
def list_schedules(ctx: click.Context) -> None:
    """List the schedules of all active workflows."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = hub.schedules()
    titles = ("ID", "CRON", "TIME ZONE", "NEXT", "STARTED", "SKIPPED")
    out.page(page, titles, _row, nothing="no schedules")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    upcoming = "paused" if each["paused"] else _time(each["next"])
    return each["id"], each["cron"], each["timezone"], upcoming, str(each["started"]), str(each["skipped"])


def _time(text: str | None) -> str:
    return "-" if text is None else time_text(text)


@schedules.command(cls=Command)
@click.argument("schedule", metavar="ID")
@click.pass_context
def show(ctx: click.Context, schedule: str) -> None:
    """Show a schedule and what became of its last times."""
    with open_hub(ctx) as hub:
        found = hub.schedule(schedule)
    lines = [
        f"id        {found['id']}",
        f"workflow  {found['workflow']}@{found['version']}",
        f"cron      {found['cron']} ({found['timezone']})",
        f"overlap   {found['overlap']}",
        f"next      {'paused' if found['paused'] else _time(found['next'])}",
        f"started   {found['started']}",
        f"skipped   {found['skipped']}",
    ]
    lines += [f"waiting   {found['waiting']}"] if found["waiting"] else []
    lines += [f"backfill  {time_text(each['from'])} to {time_text(each['to'])}" for each in found["backfill"]]
    lines += [f"  {_time(each['at'])}  {each['outcome']:7}  {_outcome(each)}" for each in found["recent"]]
    console(ctx).answer(found, "\n".join(lines))


def _outcome(each: dict[str, Any]) -> str:
    return each["instance"] or each["reason"] or ""


@schedules.command(cls=Command)
@click.argument("schedule", metavar="ID")
@click.pass_context
def pause(ctx: click.Context, schedule: str) -> None:
    """Start nothing by a schedule until it is resumed."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        done = hub.pause_schedule(schedule)
    out.note(f"paused {schedule}" if done["changed"] else f"{schedule} is paused already")
    out.answer(done, "")


@schedules.command(cls=Command)
@click.argument("schedule", metavar="ID")
@click.pass_context
def resume(ctx: click.Context, schedule: str) -> None:
    """Let a paused schedule go on from now."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        done = hub.resume_schedule(schedule)
        note_unserved(hub, out, "it starts anything", ["..."])
    out.note(f"resumed {schedule}" if done["changed"] else f"{schedule} is not paused")
    out.answer(done, "")


@schedules.command(cls=Command)
@click.argument("schedule", metavar="ID")
@click.option("--from", "begin", required=True, metavar="TIME", help="From when: 2026-03-01T02:00:00Z.")
@click.option("--to", "end", required=True, metavar="TIME", help="Until when.")
@click.pass_context
def backfill(ctx: click.Context, schedule: str, begin: str, end: str) -> None:
    """Start what was due from one time to another, each once."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        done = hub.backfill_schedule(schedule, begin, end)
        note_unserved(hub, out, "they are started", ["..."])
    out.note(f"filling in {schedule} from {begin} to {end}")
    out.answer(done, "")


@schedules.command(cls=Command)
@click.argument("schedule", metavar="ID")
@click.pass_context
def trigger(ctx: click.Context, schedule: str) -> None:
    """Start an occurrence of a schedule now; prints the id of its instance."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        instance = hub.trigger_schedule(schedule)
        note_unserved(hub, out, "it runs", ["..."])
    out.answer(instance, instance["id"])
