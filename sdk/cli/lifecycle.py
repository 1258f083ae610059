"""``perdure suspend``, ``perdure resume``, ``perdure cancel`` and ``perdure terminate``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Literal

import click

from perdure.cli.connection import Hub, note_unserved, open_hub, tell_where
from perdure.cli.console import console
from perdure.cli.failures import BUG, NO, Stop, exit_code
from perdure.cli.settings import Command
from perdure.engine.errors import PerdureError

_DONE = {
    "suspend": "suspending",
    "resume": "resuming",
    "cancel": "canceling",
    "terminate": "terminating",
    "rewind": "rewinding",
    "migrate": "migrating",
    "restart": "restarting",
    "fork": "starting",
    "resolve": "resolving",
}
_PAST = {"terminate": "terminated", "rewind": "rewound", "restart": "restarted"}
_NOTHING = {
    "suspend": "is suspended already",
    "resume": "is not suspended",
    "rewind": "would go on",
    "migrate": "runs that version already",
    "check": "can go on with that version",
    **dict.fromkeys(("cancel", "terminate"), "has ended already"),
}


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
@click.pass_context
def cancel(ctx: click.Context, instance_ids: tuple[str, ...], reason: str | None) -> None:
    """End instances after their cleanup."""
    _change(ctx, "cancel", instance_ids, reason)


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", help="Why; it is kept in the history.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def terminate(ctx: click.Context, instance_ids: tuple[str, ...], reason: str | None, yes: bool) -> None:
    """End instances at once, without cleanup."""
    if not yes:
        ask_first(ctx, "terminate", instance_ids)
    _change(ctx, "terminate", instance_ids, reason)


def ask_first(ctx: click.Context, verb: str, instance_ids: tuple[str, ...]) -> None:
    """Let somebody at a terminal confirm it. Raises ``Stop`` and ``click.UsageError``."""
    what = instance_ids[0] if len(instance_ids) == 1 else f"{len(instance_ids)} instances"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"to {verb} {what} without being asked, give --yes", ctx)
    if not click.confirm(f"{verb.capitalize()} {what}?", err=True):
        raise Stop(NO, "declined", f"nothing was {_PAST[verb]}")


def _change(
    ctx: click.Context,
    verb: Literal["suspend", "resume", "cancel", "terminate"],
    instance_ids: tuple[str, ...],
    reason: str | None,
) -> None:
    """Apply the verb to all."""
    apply_to_all(ctx, verb, instance_ids, lambda hub, each: getattr(hub, verb)(each, reason))


def apply_to_all(
    ctx: click.Context,
    verb: str,
    instance_ids: tuple[str, ...],
    act: Callable[[Hub, str], dict[str, Any]],
) -> None:
    """Do it to each; one that cannot be changed does not keep the others from it.

    Ids of new instances are the answer.
    """
    out = console(ctx)
    done: list[dict[str, Any]] = []
    failed: list[tuple[str, PerdureError]] = []
    with open_hub(ctx) as hub:
        for each in instance_ids:
            try:
                done.append({"id": each, **act(hub, each)})
            except PerdureError as error:
                if exit_code(error) == BUG:
                    raise
                tell_where(ctx, error)
                failed.append((each, error))
        new = [change["id"] for change in done if change["id"] not in instance_ids]
        for change in done:
            if failed or change["id"] not in new:
                out.note(_told(verb, change["id"], change))
        if done:  # also when nothing changed: an order before this one may not be carried out yet
            note_unserved(hub, out, "it is carried out", [change["id"] for change in done])
    if failed:
        raise refused(verb, done, failed)
    out.answer(done, "\n".join(new))


def _told(verb: str, name: str, change: dict[str, Any]) -> str:
    """What is done, or would be; with the places at which it goes on."""
    said = f"{_DONE[verb]} {name}" if change["changed"] else f"{name} {_NOTHING[verb]}"
    return ": ".join([said, *([", ".join(change["paths"])] if change.get("paths") else [])])


def refused(verb: str, done: list[dict[str, Any]], failed: list[tuple[str, PerdureError]]) -> Stop:
    """One line for each that could not be changed; the exit code is the worst one's."""
    first = failed[0][1]
    if len(failed) == 1 and not done:
        message = str(first)
    else:
        count = f"{len(failed)} of {len(done) + len(failed)} instances"
        message = "\n".join([f"cannot {verb} {count}:", *(f"  {name}: {error}" for name, error in failed)])
    details = {
        "done": done,
        "failed": [{"id": name, "code": error.code, "message": str(error)} for name, error in failed],
    }
    worst = max(exit_code(error) for _, error in failed)
    return Stop(worst, first.code, message, hint=first.hint, details=details)
