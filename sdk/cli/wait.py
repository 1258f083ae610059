"""``perdure wait``."""

from __future__ import annotations

import click

from perdure.cli.connection import note_unserved, open_hub
from perdure.cli.console import console
from perdure.cli.failures import NO, TIMEOUT
from perdure.cli.inputs import Duration
from perdure.cli.settings import Command
from perdure.engine import clock


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--timeout", type=Duration(), metavar="DURATION", help="Longest wait for all; exit code 124.")
@click.pass_context
def wait(ctx: click.Context, instance_ids: tuple[str, ...], timeout: float | None) -> None:
    """Wait until instances have ended.

    Exit code 1 when one of them did not complete, 124 when the time was up before.
    """
    out = console(ctx)
    until = None if timeout is None else clock.monotonic() + timeout
    with open_hub(ctx) as hub:
        found = [hub.instance(each) for each in instance_ids]
        going = [each["id"] for each in found if each["ended_at"] is None]
        if going:
            note_unserved(hub, out, "what has not ended goes on", going)
        for index, each in enumerate(instance_ids):
            found[index] = hub.wait(each, None if until is None else max(until - clock.monotonic(), 0.0))
    out.answer(found, "\n".join(f"{each['id']} {each['status']}" for each in found))
    if any(each["ended_at"] is None for each in found):
        ctx.exit(TIMEOUT)
    if any(each["status"] != "Completed" for each in found):
        ctx.exit(NO)
