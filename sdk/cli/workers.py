"""``perdure workers``: the processes that work on a database."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.failures import CONFLICT, Stop
from perdure.cli.settings import GLOBAL_OPTIONS, Command
from perdure.cli.texts import time_text


@click.group(params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def workers() -> None:
    """Look at the processes that work on a database."""


@workers.command("list", cls=Command)
@click.pass_context
def list_workers(ctx: click.Context) -> None:
    """List the live workers, oldest first."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = {"items": hub.workers(), "next": None}
    titles = ("ID", "HOST", "ROLE", "SLOTS", "TASKS", "JOINED")
    out.page(page, titles, _row, nothing="no process works on this database")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    counts = (str(each["slots"]), str(each["tasks"]))
    return (each["id"], each["host"], _role(each), *counts, time_text(each["joined_at"]))


def _role(each: dict[str, Any]) -> str:
    """What it does: takes turns, may take turns when nobody else does, or runs activities alone."""
    role = "reserve" if each["reserve"] else "turns" if each["turns"] else "activities"
    return f"{role}, leaving" if each["draining"] else role


@workers.command(cls=Command)
@click.argument("worker_id", metavar="ID")
@click.pass_context
def show(ctx: click.Context, worker_id: str) -> None:
    """Show a live worker and what it offers."""
    with open_hub(ctx) as hub:
        found = next((each for each in hub.workers() if each["id"] == worker_id), None)
    if found is None:
        raise Stop(CONFLICT, "not_found", f"there is no live worker {worker_id!r}")
    lines = [
        f"id          {found['id']}",
        f"host        {found['host']}",
        f"role        {_role(found)}",
        f"slots       {found['slots']}",
        f"tasks       {found['tasks']}",
        f"joined      {time_text(found['joined_at'])}",
        f"lease until {time_text(found['lease_until'])}",
        f"activities  {', '.join(found['activities']) or '-'}",
        f"queues      {', '.join(found['queues']) or '-'}",
    ]
    console(ctx).answer(found, "\n".join(lines))


@workers.command(cls=Command)
@click.argument("worker_ids", nargs=-1, required=True, metavar="ID...")
@click.pass_context
def drain(ctx: click.Context, worker_ids: tuple[str, ...]) -> None:
    """Ask workers to leave: others get their slots, and what they run may end."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        done = [hub.drain_worker(each) for each in worker_ids]
    for each in done:
        out.note(f"asked {each['id']} to leave")
    out.answer(done, "")
