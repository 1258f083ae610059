"""``perdure start``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import Hub, failed_at, note_unserved, open_hub
from perdure.cli.console import Console, console, pretty
from perdure.cli.failures import NO, TIMEOUT, Stop
from perdure.cli.inputs import Duration, explaining_input, read_input, read_tags, read_value
from perdure.cli.settings import Command
from perdure.cli.texts import ending


@click.command(cls=Command)
@click.argument("workflow", metavar="NAME[@VERSION]")
@click.option("-i", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of the input; JSON or text.")
@click.option("--input", "document", metavar="JSON|@FILE|-", help="The whole input.")
@click.option("--id", "instance_id", metavar="ID", help="The instance's id; a new one by default.")
@click.option(
    "--if-exists",
    type=click.Choice(("reject", "reuse", "replace_ended")),
    default="reject",
    help="What to do when the id is in use.",
)
@click.option("--delay", type=Duration(), metavar="DURATION", help="Begin so much later.")
@click.option("--at", "start_at", metavar="TIME", help="Begin at this time, as 2030-01-31T12:00:00Z.")
@click.option("--event", metavar="NAME", help="Send this event, also to an instance that is there.")
@click.option("--data", metavar="JSON|@FILE|-", help="The payload of the event.")
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
    if_exists: str,
    delay: float | None,
    start_at: str | None,
    event: str | None,
    data: str | None,
    tags: tuple[str, ...],
    wait: bool,
    timeout: float | None,
) -> None:
    """Start an instance of a deployed workflow.

    Prints its id. With --wait: its output, and exit code 1 when it fails.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout needs --wait", ctx)
    if data is not None and event is None:
        raise click.UsageError("--data needs --event", ctx)
    value = read_input(pairs, document)
    payload = None if data is None else read_value(data, "--data")
    out = console(ctx)
    with open_hub(ctx) as hub:
        given = bool(pairs or document)
        with explaining_input(lambda: None if given else _input_schema(hub, workflow)):
            instance = hub.start(
                workflow,
                value,
                id=instance_id,
                tags=read_tags(tags),
                if_exists=if_exists,
                delay=delay,
                start_at=start_at,
                event=event,
                payload=payload,
            )
        name = instance["id"]
        if wait:
            out.note(f"started {name}")
        if instance["ended_at"] is None:
            note_unserved(hub, out, f"{name} goes on", [name])
        if not wait:
            out.answer(instance, name)
            return
        instance = _wait(hub, name, timeout)
        finish(out, instance, failed_at(hub, instance))


def _input_schema(hub: Hub, workflow: str) -> Any:
    """The schema of a deployed workflow's input."""
    from perdure.compiler.build import build
    from perdure.dsl import Source

    name, _, version = workflow.partition("@")
    source = hub.definition(name, version or None)["source"]
    programs = [each.program for each in build(Source(name, source)).workflows]
    return next((each.input_schema for each in programs if each.name == name), None)


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
