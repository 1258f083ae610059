"""``perdure entities``."""

from __future__ import annotations

import sys
from typing import Any

import click

from perdure.cli.connection import note_unserved, open_hub
from perdure.cli.console import console, json_text, pretty
from perdure.cli.failures import NO, TIMEOUT, Stop
from perdure.cli.inputs import Duration, Whole, read_value
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group
from perdure.cli.texts import time_text

_DATA = "The operation's input; null by default."


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def entities() -> None:
    """Look at entities, and speak to them.

    One is written NAME@KEY.
    """


@entities.command("list", cls=Command)
@click.option("--name", help="Only of this type.")
@click.option("--key", metavar="TEXT", default="", help="Only those whose key begins so.")
@click.option("--since", metavar="TIME", help="Only those that changed at this time or later.")
@click.option("--until", metavar="TIME", help="Only those that did not change after this time.")
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", help="Where the page before ended.")
@click.pass_context
def list_entities(
    ctx: click.Context,
    name: str | None,
    key: str,
    since: str | None,
    until: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List entities that have a state, by type and key."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = hub.entities(
            type=name, key_prefix=key, updated_from=since, updated_to=until, limit=limit, cursor=cursor
        )
    out.page(page, ("ENTITY", "CHANGED", "LOCKED BY", "STATE"), _row, nothing="no entities")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    state = json_text(each["state"]).strip()
    shown = state if len(state) <= 60 else f"{state[:57]}..."
    return each["id"], time_text(each["updated_at"]), each["locked_by"] or "-", shown


@entities.command(cls=Command)
@click.argument("entity", metavar="NAME@KEY")
@click.pass_context
def show(ctx: click.Context, entity: str) -> None:
    """Show the state of an entity."""
    with open_hub(ctx) as hub:
        found = hub.entity(entity)
    lines = [
        f"entity   {found['id']}",
        f"changed  {time_text(found['updated_at'])}",
        f"created  {time_text(found['created_at'])}",
    ]
    lines += [f"locked   by {found['locked_by']}"] if found["locked_by"] else []
    lines += ["busy     a worker carries out an operation"] if found["busy"] else []
    console(ctx).answer(found, "\n".join([*lines, f"state    {pretty(found['state'])}"]))


@entities.command(cls=Command)
@click.argument("entity", metavar="NAME@KEY")
@click.argument("operation")
@click.option("--data", metavar="JSON|@FILE|-", help=_DATA)
@click.option("--timeout", type=Duration(), metavar="DURATION", help="Wait no longer than this.")
@click.option("--dedup-key", metavar="KEY", help="Asked again with the same key, it is carried out once.")
@click.pass_context
def call(
    ctx: click.Context,
    entity: str,
    operation: str,
    data: str | None,
    timeout: float | None,
    dedup_key: str | None,
) -> None:
    """Have an entity carry out an operation, and print what it returns."""
    value = None if data is None else read_value(data, "--data")
    out = console(ctx)
    with open_hub(ctx) as hub:
        note_unserved(hub, out, "an operation is carried out", ["..."])
        answer = hub.call_entity(entity, operation, value, timeout=timeout, request_key=dedup_key)
    if answer is None:
        raise Stop(
            TIMEOUT, "timeout", f"{entity} has not answered in time; it carries {operation!r} out later"
        )
    out.answer(answer, pretty(answer["result"]))


@entities.command(cls=Command)
@click.argument("entity", metavar="NAME@KEY")
@click.argument("operation")
@click.option("--data", metavar="JSON|@FILE|-", help=_DATA)
@click.option("--at", metavar="TIME", help="Not before this time: 2026-03-01T02:00:00Z.")
@click.option("--dedup-key", metavar="KEY", help="Sent again with the same key, it is carried out once.")
@click.pass_context
def signal(
    ctx: click.Context, entity: str, operation: str, data: str | None, at: str | None, dedup_key: str | None
) -> None:
    """Have an entity carry out an operation, and wait for nothing."""
    value = None if data is None else read_value(data, "--data")
    out = console(ctx)
    with open_hub(ctx) as hub:
        hub.signal_entity(entity, operation, value, at=at, request_key=dedup_key)
        note_unserved(hub, out, "it is carried out", ["..."])
    out.note(f"sent {operation} to {entity}")
    out.answer({"id": entity, "operation": operation}, "")


@entities.command(cls=Command)
@click.argument("entity", metavar="NAME@KEY")
@click.option("--reason", help="Why; it is kept in the audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete(ctx: click.Context, entity: str, reason: str | None, yes: bool) -> None:
    """Delete an entity, once those who spoke to it before have been heard."""
    if not yes:
        _ask_first(ctx, entity)
    out = console(ctx)
    with open_hub(ctx) as hub:
        done = hub.delete_entity(entity, reason=reason)
        note_unserved(hub, out, "it is carried out", ["..."])
    out.note(f"deleting {entity}")
    out.answer(done, "")


def _ask_first(ctx: click.Context, entity: str) -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"to delete {entity} without being asked, give --yes", ctx)
    if not click.confirm(f"Delete {entity}?", err=True):
        raise Stop(NO, "declined", "nothing was deleted")
