"""``perdure queues``: named queues and their rates."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def queues() -> None:
    """Look at named queues, and set their rates."""


@queues.command("list", cls=Command)
@click.pass_context
def list_queues(ctx: click.Context) -> None:
    """List the queues that have a rate, are served or have tasks that wait."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        found = hub.queues()
    page = {"items": found, "next": None}
    out.page(page, ("NAME", "RATE", "WORKERS", "WAITING"), _row, nothing="no queues beside the default one")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    return each["name"], each["rate"] or "", str(each["workers"]), str(each["waiting"])


@queues.command("set", cls=Command)
@click.argument("name")
@click.option("--rate", metavar="RATE", help="So many hand-outs in a time: 10/s, 100/m, 5/10s.")
@click.option("--no-rate", is_flag=True, help="As many as there are workers for.")
@click.pass_context
def set_queue(ctx: click.Context, name: str, rate: str | None, no_rate: bool) -> None:
    """Say how fast the tasks of a queue are handed out.

    The rate is that of all workers together.
    """
    if (rate is not None) == no_rate:
        raise click.UsageError("give one of --rate and --no-rate", ctx)
    with open_hub(ctx, create=True) as hub:
        outcome = hub.set_queue(name, rate)
    out = console(ctx)
    out.answer(outcome, "")
    out.note(f"{name}: {outcome['rate'] or 'no rate'}")
