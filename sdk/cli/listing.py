"""``perdure list``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import open_hub, unknown_definition
from perdure.cli.console import console
from perdure.cli.inputs import Whole, read_tags
from perdure.cli.settings import Command
from perdure.cli.texts import time_text


@click.command("list", cls=Command)
@click.option("--status", "statuses", multiple=True, help="Only with this status; may be repeated.")
@click.option("--name", help="Only of this workflow.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Only with this tag.")
@click.option("-Q", "--query", metavar="QUERY", help="Only those for which it holds, as docs/cli.md says.")
@click.option("--sort", metavar="FIELD[:asc|:desc]", help="By created, ended or id; created:desc by default.")
@click.option("--chunks", is_flag=True, help="Also the chunks that a fan_out is done in.")
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", help="Where the page before ended.")
@click.pass_context
def list_instances(
    ctx: click.Context,
    statuses: tuple[str, ...],
    name: str | None,
    tags: tuple[str, ...],
    query: str | None,
    sort: str | None,
    chunks: bool,
    limit: int,
    cursor: str | None,
) -> None:
    """List instances, newest first."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = hub.instances(
            statuses=statuses,
            name=name,
            tags=read_tags(tags),
            query=query,
            sort=sort,
            chunks=chunks,
            limit=limit,
            cursor=cursor,
        )
        nothing = "no instances"
        if name is not None and not page["items"] and not hub.definitions(name):
            nothing += f": {unknown_definition(hub, name)}"
    out.page(page, ("ID", "WORKFLOW", "STATUS", "CREATED", "ENDED"), _row, nothing=nothing)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    return (
        each["id"],
        f"{each['workflow']}@{each['version']}",
        each["status"],
        time_text(each["created_at"]),
        time_text(each["ended_at"]),
    )
