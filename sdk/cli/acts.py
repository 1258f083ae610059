"""``perdure rewind``, ``migrate``, ``restart``, ``fork`` and ``resolve``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.inputs import read_input, read_value
from perdure.cli.lifecycle import apply_to_all, ask_first
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", help="Why; it is kept in the history.")
@click.option("--dry-run", is_flag=True, help="Only say where they would go on.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def rewind(
    ctx: click.Context, instance_ids: tuple[str, ...], reason: str | None, dry_run: bool, yes: bool
) -> None:
    """Let instances that failed, or were terminated, go on.

    Only what failed is done again, under the idempotency keys that it had.
    """
    if not (yes or dry_run):
        ask_first(ctx, "rewind", instance_ids)
    apply_to_all(ctx, "rewind", instance_ids, lambda hub, each: hub.rewind(each, reason, dry_run=dry_run))


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--to", "version", required=True, metavar="VERSION", help="The version that is to run.")
@click.option("--reason", help="Why; it is kept in the history.")
@click.option("--dry-run", is_flag=True, help="Only say whether they could move.")
@click.pass_context
def migrate(
    ctx: click.Context, instance_ids: tuple[str, ...], version: str, reason: str | None, dry_run: bool
) -> None:
    """Let instances that run go on with another version.

    Only when that version replays all of their history.
    """
    act = "check" if dry_run else "migrate"
    apply_to_all(
        ctx, act, instance_ids, lambda hub, each: hub.migrate(each, version, reason, dry_run=dry_run)
    )


@click.command(cls=Command)
@click.argument("instance_ids", nargs=-1, required=True, metavar="ID...")
@click.option("--at-version", metavar="VERSION", help="Run this version; the same one by default.")
@click.option("-i", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of another input.")
@click.option("--input", "document", metavar="JSON|@FILE|-", help="Another input.")
@click.option("--id", "as_id", metavar="ID", help="Let a new instance of this id do it.")
@click.option("--new-id", is_flag=True, help="Let a new instance do it, under an id that is made up.")
@click.option("--terminate", is_flag=True, help="Terminate first what has not ended.")
@click.option("--reason", help="Why; it is kept in the audit.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def restart(
    ctx: click.Context,
    instance_ids: tuple[str, ...],
    at_version: str | None,
    pairs: tuple[str, ...],
    document: str | None,
    as_id: str | None,
    new_id: bool,
    terminate: bool,
    reason: str | None,
    yes: bool,
) -> None:
    """Do instances that have ended all over again.

    Each goes on under its id as its next generation, with the same input, and new idempotency keys.
    """
    if as_id is not None and (new_id or len(instance_ids) > 1):
        raise click.UsageError("--id is for one instance, and not beside --new-id", ctx)
    options: dict[str, Any] = {"version": at_version, "id": as_id, "new_id": new_id, "terminate": terminate}
    if pairs or document:
        options["input"] = read_input(pairs, document)
    if not yes:
        ask_first(ctx, "restart", instance_ids)
    apply_to_all(ctx, "restart", instance_ids, lambda hub, each: hub.restart(each, reason=reason, **options))


@click.command(cls=Command)
@click.argument("instance_id", metavar="ID")
@click.argument("step", metavar="STEP")
@click.option("--id", "as_id", metavar="ID", help="The new instance's id; one is made up by default.")
@click.option("--at-version", metavar="VERSION", help="Run this version; the same one by default.")
@click.option("--reason", help="Why; it is kept in the history.")
@click.pass_context
def fork(
    ctx: click.Context,
    instance_id: str,
    step: str,
    as_id: str | None,
    at_version: str | None,
    reason: str | None,
) -> None:
    """Start another instance with the past of one, up to a step.

    STEP is its name, or its path; the first time counts.
    """
    options = {"id": as_id, "version": at_version, "reason": reason}
    apply_to_all(ctx, "fork", (instance_id,), lambda hub, each: hub.fork(each, step, **options))


@click.command(cls=Command)
@click.argument("instance_id", metavar="ID")
@click.argument("step", metavar="STEP")
@click.option("--output", metavar="JSON|@FILE|-", help="What the step gives.")
@click.option("--skip", is_flag=True, help="The step gives null.")
@click.option("--error", metavar="TYPE", help="The error that the step fails with.")
@click.option("--message", default="", help="The error's message.")
@click.option("--data", metavar="JSON|@FILE|-", help="The error's data.")
@click.option("--reason", help="Why; it is kept in the history.")
@click.pass_context
def resolve(
    ctx: click.Context,
    instance_id: str,
    step: str,
    output: str | None,
    skip: bool,
    error: str | None,
    message: str,
    data: str | None,
    reason: str | None,
) -> None:
    """End what a step waits for by hand.

    STEP is its name, or its path where several wait.
    """
    if (output is not None) + skip + (error is not None) != 1:
        raise click.UsageError("give one of --output, --skip and --error", ctx)
    if error is None and (message or data):
        raise click.UsageError("--message and --data belong to --error", ctx)
    value = None if output is None else read_value(output, "--output")
    fault = None
    if error is not None:
        details = None if data is None else read_value(data, "--data")
        fault = {"type": error, "message": message, "data": details}
    apply_to_all(
        ctx,
        "resolve",
        (instance_id,),
        lambda hub, each: hub.resolve(each, step, value, error=fault, reason=reason),
    )
