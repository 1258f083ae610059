"""``perdure purge``."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import click

from perdure.cli.connection import Hub, open_hub, tell_where
from perdure.cli.console import Console, console
from perdure.cli.failures import BUG, NO, Stop, exit_code
from perdure.cli.inputs import Duration, read_tags
from perdure.cli.lifecycle import refused
from perdure.cli.settings import Command
from perdure.engine.errors import Conflict, PerdureError
from perdure.engine.instance import ENDED


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, metavar="[ID]...")
@click.option("--status", "statuses", multiple=True, help="All that ended with this status; may be repeated.")
@click.option("--name", help="Only of this workflow.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only with this tag.")
@click.option("--older-than", type=Duration(), metavar="DURATION", help="Only those that ended so long ago.")
@click.option("--leave-running", is_flag=True, help="Purge an ID though a child of it has not ended.")
@click.option("--reason", help="Why; it is kept in the audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be purged.")
@click.pass_context
def purge(
    ctx: click.Context,
    instance_ids: tuple[str, ...],
    statuses: tuple[str, ...],
    name: str | None,
    tags: tuple[str, ...],
    older_than: float | None,
    leave_running: bool,
    reason: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Delete instances that have ended, with all that is kept of them.

    Those with these IDs, or all that match the options. Their children go with them.
    """
    what: dict[str, Any] = {
        "statuses": statuses,
        "name": name,
        "tags": read_tags(tags),
        "older_than": older_than,
    }
    if bool(instance_ids) == any(what.values()):
        raise click.UsageError("give IDs, or options that say which instances are meant", ctx)
    out = console(ctx)
    with open_hub(ctx) as hub:
        if instance_ids:
            if not (yes or dry_run):
                count = len(instance_ids)
                _ask(ctx, instance_ids[0] if count == 1 else f"{count} instances")
            _purge(ctx, hub, out, instance_ids, leave_running, reason, dry_run)
        else:
            if leave_running:
                raise click.UsageError("--leave-running needs IDs", ctx)
            count = hub.purge_many(**what, dry_run=True)["instances"]
            if dry_run or not count:
                out.note(f"{_instances(count)} would be purged" if count else "no instances")
                out.answer({"instances": count, "rows": {}, "left": []}, "")
                return
            if not yes:
                _ask(ctx, f"{_instances(count)} with their children")
            _purge_many(hub, out, {**what, "reason": reason})


def _ask(ctx: click.Context, what: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"to purge {what} without being asked, give --yes", ctx)
    if not click.confirm(f"Purge {what}? Nothing of it can be brought back.", err=True):
        raise Stop(NO, "declined", "nothing was purged")


def _purge(
    ctx: click.Context,
    hub: Hub,
    out: Console,
    instance_ids: tuple[str, ...],
    leave_running: bool,
    reason: str | None,
    dry_run: bool,
) -> None:
    """One after the other; one that cannot be purged does not keep the others from it."""
    done: list[dict[str, Any]] = []
    failed: list[tuple[str, PerdureError]] = []
    for each in instance_ids:
        try:
            if dry_run:
                _check(hub, each)
                done.append({"id": each})
                out.note(f"{each} would be purged")
                continue
            gone = hub.purge(each, leave_running=leave_running, reason=reason)
        except PerdureError as error:
            if exit_code(error) == BUG:
                raise
            tell_where(ctx, error)
            failed.append((each, error))
        else:
            done.append({"id": each, "instances": gone["instances"], "rows": gone["rows"]})
            children = gone["instances"] - 1
            out.note(f"purged {each}" + (f" and {children} below it" if children else ""))
    if failed:
        raise refused("purge", done, failed)
    out.answer(done, "")


def _check(hub: Hub, instance_id: str) -> None:
    status = hub.instance(instance_id)["status"]
    if status not in ENDED:
        raise Conflict(f"instance {instance_id!r} has not ended ({status})")


def _purge_many(hub: Hub, out: Console, what: dict[str, Any]) -> None:
    """Slice after slice, so that nobody who works waits for long."""
    rows, left = Counter[str](), list[str]()
    cursor = None
    while True:
        gone = hub.purge_many(**what, cursor=cursor)
        rows.update(gone["rows"])
        left += gone["left"]
        cursor = gone["next"]
        if cursor is None:
            break
    count = rows["instances"]
    out.note(f"purged {_instances(count)}, {rows.total()} rows")
    for name in left:
        out.note(f"{name} stays: a child of it has not ended")
    out.answer({"instances": count, "rows": dict(sorted(rows.items())), "left": left}, "")


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"
