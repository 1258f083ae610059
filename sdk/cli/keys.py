"""``perdure keys``: who may ask a server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from perdure.cli.connection import open_hub, shown
from perdure.cli.console import console
from perdure.cli.inputs import Duration
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group, settings
from perdure.cli.texts import time_text


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def keys() -> None:
    """Say who may ask a server, and for what."""


@keys.command("create", cls=Command)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["viewer", "operator", "admin"]),
    default="viewer",
    show_default=True,
    help="Look; start and act as well; deploy, delete and make keys as well.",
)
@click.option("--expires", type=Duration(), metavar="DURATION", help="Count for so long; else for ever.")
@click.pass_context
def create_key(ctx: click.Context, name: str, role: str, expires: float | None) -> None:
    """Make a key, and print it this once.

    Programs show it in the header Authorization: Bearer KEY, commands find it in PERDURE_KEY. From the first
    key on, a server answers nobody without one: let it be an admin's.
    """
    with open_hub(ctx, create=True) as hub:
        others = hub.keys()
        made = hub.create_key(name, role, expires=expires)
    out = console(ctx)
    out.answer(made, made["secret"])
    out.note(f"{name}, with the role {role}; this is the only time that it is shown")
    out.note("servers of this hub answer nobody without a key: export PERDURE_KEY=pdk_...")
    if role != "admin" and not any(_is_admin(each, made["created_at"]) for each in others):
        db, server = settings(ctx).target()
        place = "--db URL, where the database is" if server is not None else f"--db '{shown(db)}'"
        out.note(
            "no key here is an admin's: nobody may deploy or make keys over HTTP now\n"
            f"  to make one: perdure keys create NAME --role admin {place}"
        )


@keys.command("list", cls=Command)
@click.pass_context
def list_keys(ctx: click.Context) -> None:
    """List all keys that there have been, without their secrets."""
    with open_hub(ctx) as hub:
        found = hub.keys()
    columns = ("ID", "NAME", "ROLE", "CREATED", "EXPIRES", "REVOKED", "USED")
    console(ctx).page({"items": found, "next": None}, columns, _row, nothing="no keys")


def _is_admin(key: dict[str, Any], now: str) -> bool:
    """Whether it is an admin's, and counts."""
    if key["role"] != "admin" or key["revoked_at"] is not None:
        return False
    until = key["expires_at"]
    return until is None or datetime.fromisoformat(now) < datetime.fromisoformat(until)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    times = (each[name] for name in ("created_at", "expires_at", "revoked_at", "used_at"))
    return each["id"], each["name"], each["role"], *map(time_text, times)


@keys.command("revoke", cls=Command)
@click.argument("name")
@click.pass_context
def revoke_key(ctx: click.Context, name: str) -> None:
    """Let a key, by its name or its id, count no more.

    A server believes in it for a second at most.
    """
    with open_hub(ctx) as hub:
        revoked = hub.revoke_key(name)
    out = console(ctx)
    out.answer(revoked, "")
    out.note(f"{revoked['name']} ({revoked['id']}) counts no more")
