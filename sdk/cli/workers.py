"""``perdure workers``: the processes that work on a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.failures import CONFLICT, Stop
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group
from perdure.cli.texts import time_text


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def workers() -> None:
    """Look at the processes that work on a database."""


@workers.command("list", cls=Command)
@click.pass_context
def list_workers(ctx: click.Context) -> None:
    """List the live workers, oldest first."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = {"items": hub.workers(), "next": None}
    titles = ("ID", "HOST", "ROLES", "QUEUES", "SLOTS", "TASKS", "JOINED")
    out.page(page, titles, _row, nothing="no process works on this database")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    counts = (str(each["slots"]), str(each["tasks"]))
    queues = ",".join(each["queues"]) or "-"
    return (each["id"], each["host"], _roles(each), queues, *counts, time_text(each["joined_at"]))


def _roles(each: dict[str, Any]) -> str:
    """What it does: takes turns, or only when nobody else does (reserve); runs activities; is leaving."""
    roles = ["reserve" if each["reserve"] else "turns"] if each["turns"] or each["reserve"] else []
    if each["activities"] or not roles:
        roles.append("activities")
    return ",".join([*roles, "leaving"] if each["draining"] else roles)


def _meant(live: Sequence[dict[str, Any]], given: str) -> dict[str, Any]:
    """The worker whose id begins so. Raises ``Stop`` for none, and for several."""
    found = [each for each in live if each["id"] == given] or [
        each for each in live if given and each["id"].startswith(given)
    ]
    if not found:
        hint = "perdure workers list shows those that live"
        raise Stop(CONFLICT, "not_found", f"there is no live worker {given!r}", hint=hint)
    if len(found) > 1:
        several = ", ".join(each["id"] for each in found)
        raise Stop(CONFLICT, "ambiguous", f"the ids of several workers begin with {given!r}: {several}")
    return found[0]


@workers.command(cls=Command)
@click.argument("worker_id", metavar="ID")
@click.pass_context
def show(ctx: click.Context, worker_id: str) -> None:
    """Show a live worker and what it offers. The beginning of its ID is enough."""
    with open_hub(ctx) as hub:
        found = _meant(hub.workers(), worker_id)
    lines = [
        f"id          {found['id']}",
        f"host        {found['host']}",
        f"roles       {_roles(found)}",
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
    """Ask workers to leave: others get their slots, and what they run may end.

    The beginning of an ID is enough when no other one begins so.
    """
    out = console(ctx)
    with open_hub(ctx) as hub:
        live = hub.workers()
        meant = [_meant(live, each)["id"] for each in worker_ids]
        done = [hub.drain_worker(each) for each in meant]
    for each in done:
        out.note(f"asked {each['id']} to leave")
    out.answer(done, "")
