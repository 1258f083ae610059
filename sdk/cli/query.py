"""``perdure query``."""

from __future__ import annotations

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console, pretty
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("instance_id", metavar="ID")
@click.argument("name")
@click.pass_context
def query(ctx: click.Context, instance_id: str, name: str) -> None:
    """Ask an instance what its workflow's queries answer.

    The answer is that of the committed state, also when the instance has ended.
    """
    out = console(ctx)
    with open_hub(ctx) as hub:
        value = hub.query(instance_id, name)
    out.answer({"id": instance_id, "query": name, "value": value}, pretty(value))
