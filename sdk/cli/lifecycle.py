"""``perdure suspend``, ``perdure resume`` and ``perdure terminate``."""

from __future__ import annotations

import sys
from typing import Literal

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.failures import CONFLICT, NO, Stop
from perdure.cli.settings import Command
from perdure.engine.errors import Conflict, Ended, NotFound

_DONE = {"suspend": "suspending", "resume": "resuming", "terminate": "terminating"}
_NOTHING = {"suspend": "is suspended already", "resume": "is not suspended", "terminate": "has ended already"}


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", help="Why; it is kept in the history.")
@click.pass_context
def suspend(ctx: click.Context, instance_ids: tuple[str, ...], reason: str | None) -> None:
    """Stop instances from going on, until they are resumed."""
    _change(ctx, "suspend", instance_ids, reason)


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", help="Why; it is kept in the history.")
@click.pass_context
def resume(ctx: click.Context, instance_ids: tuple[str, ...], reason: str | None) -> None:
    """Let suspended instances go on."""
    _change(ctx, "resume", instance_ids, reason)


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", help="Why; it is kept in the history.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def terminate(ctx: click.Context, instance_ids: tuple[str, ...], reason: str | None, yes: bool) -> None:
    """End instances at once, without cleanup."""
    if not yes:
        _ask(ctx, instance_ids)
    _change(ctx, "terminate", instance_ids, reason)


def _ask(ctx: click.Context, instance_ids: tuple[str, ...]) -> None:
    what = instance_ids[0] if len(instance_ids) == 1 else f"{len(instance_ids)} instances"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"to terminate {what} without being asked, give --yes", ctx)
    if not click.confirm(f"Terminate {what}?", err=True):
        raise Stop(NO, "declined", "nothing was terminated")


def _change(
    ctx: click.Context,
    verb: Literal["suspend", "resume", "terminate"],
    instance_ids: tuple[str, ...],
    reason: str | None,
) -> None:
    """Apply the verb to all; one that cannot be changed does not keep the others from it."""
    done, failed = [], []
    with open_hub(ctx) as hub:
        for each in instance_ids:
            try:
                changed = getattr(hub, verb)(each, reason)["changed"]
                done.append({"id": each, "changed": changed})
            except (NotFound, Conflict, Ended) as error:
                failed.append({"id": each, "code": error.code, "message": str(error)})
    out = console(ctx)
    if failed:
        message = " ".join(dict.fromkeys(each["message"] for each in failed))
        raise Stop(CONFLICT, failed[0]["code"], message, details={"done": done, "failed": failed})
    out.answer(done, "")
    for change in done:
        name = change["id"]
        out.note(f"{_DONE[verb]} {name}" if change["changed"] else f"{name} {_NOTHING[verb]}")
