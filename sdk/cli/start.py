"""``perdure start``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import Hub, open_hub
from perdure.cli.console import Console, console, pretty
from perdure.cli.failures import NO, TIMEOUT, Stop
from perdure.cli.inputs import Duration, explaining_input, read_input, read_tags
from perdure.cli.settings import Command
from perdure.cli.texts import ending


@click.command(cls=Command)
@click.argument("workflow", metavar="NAME[@VERSION]")
@click.option("-i", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of the input; JSON or text.")
@click.option("--input", "document", metavar="JSON|@FILE|-", help="The whole input.")
@click.option("--id", "instance_id", metavar="ID", help="The instance's id; a new one by default.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag of the instance.")
@click.option("--wait", is_flag=True, help="Wait for its end and print its output.")
@click.option("--timeout", type=Duration(), metavar="DURATION", help="Longest wait; exit code 124.")
@click.pass_context
def start(
    ctx: click.Context,
    workflow: str,
    pairs: tuple[str, ...],
    document: str | None,
    instance_id: str | None,
    tags: tuple[str, ...],
    wait: bool,
    timeout: float | None,
) -> None:
    """Start an instance of a deployed workflow.

    Prints its id. With --wait: its output, and exit code 1 when it fails.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait", ctx)
    value = read_input(pairs, document)
    out = console(ctx)
    with open_hub(ctx) as hub:
        with explaining_input():
            instance = hub.start(workflow, value, id=instance_id, tags=read_tags(tags))
        if not wait:
            out.answer(instance, instance["id"])
            return
        out.note(f"started {instance['id']}")
        finish(out, _wait(hub, instance["id"], timeout))


def _wait(hub: Hub, instance_id: str, timeout: float | None) -> dict[str, Any]:
    instance = hub.wait(instance_id, timeout)
    if instance["ended_at"] is None:
        raise Stop(TIMEOUT, "timeout", f"{instance_id} has not ended: {instance['status']}", details=instance)
    return instance


def finish(out: Console, instance: dict[str, Any], place: str | None = None, **more: Any) -> None:
    """Print an ended instance's output, or raise ``Stop`` with what it ended of."""
    if instance["status"] == "Completed":
        out.answer(instance, pretty(instance["output"]))
        return
    code = f"workflow_{instance['status'].lower()}"
    raise Stop(NO, code, ending(instance, place), details=instance, **more)
