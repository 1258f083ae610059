"""``perdure audit``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.inputs import Whole
from perdure.cli.settings import Command
from perdure.cli.texts import time_text


@click.command(cls=Command)
@click.option("--target", metavar="ID", help="Only what was done to this instance or other thing.")
@click.option("--action", help="Only this act, as instance.terminate.")
@click.option("--by", "actor", metavar="NAME", help="Only what this one did.")
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", help="Where the page before ended.")
@click.pass_context
def audit(
    ctx: click.Context,
    target: str | None,
    action: str | None,
    actor: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List what operators did, newest first."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = hub.audit(target=target, action=action, actor=actor, limit=limit, cursor=cursor)
    out.page(page, ("TIME", "ACTOR", "ACTION", "TARGET", "DETAILS"), _row, nothing="no entries")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    details = " ".join(f"{name}={value}" for name, value in each["details"].items())
    return time_text(each["at"]), each["actor"], each["action"], each["target"], details
