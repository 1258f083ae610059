"""``perdure events``."""

from __future__ import annotations

import click

from perdure.cli.connection import open_hub
from perdure.cli.console import console
from perdure.cli.inputs import read_value
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def events() -> None:
    """Send events to instances."""


@events.command(cls=Command)
@click.argument("instance_id", metavar="ID")
@click.argument("name")
@click.option("--data", metavar="JSON|@FILE|-", help="The event's payload; null by default.")
@click.option("--dedup-key", metavar="KEY", help="Sent again with the same key, it is delivered once.")
@click.pass_context
def send(ctx: click.Context, instance_id: str, name: str, data: str | None, dedup_key: str | None) -> None:
    """Send an event to an instance.

    It is kept until the instance waits for it.
    """
    payload = None if data is None else read_value(data, "--data")
    with open_hub(ctx) as hub:
        hub.raise_event(instance_id, name, payload, request_key=dedup_key)
    out = console(ctx)
    out.answer({"id": instance_id, "event": name}, "")
    out.note(f"sent {name} to {instance_id}")


@events.command(cls=Command)
@click.argument("name")
@click.option("--data", metavar="JSON|@FILE|-", help="The event's payload; null by default.")
@click.option("--start", metavar="NAME[@VERSION]", help="When nobody waits, start this with the payload.")
@click.option("--dedup-key", metavar="KEY", help="Sent again with the same key, it is delivered once.")
@click.pass_context
def publish(
    ctx: click.Context, name: str, data: str | None, start: str | None, dedup_key: str | None
) -> None:
    """Send an event to whoever waits for it by its content.

    Prints the ids of these instances. It is not kept for others.
    """
    payload = None if data is None else read_value(data, "--data")
    with open_hub(ctx) as hub:
        ids = hub.publish(name, payload, start=start, request_key=dedup_key)
    console(ctx).answer({"event": name, "ids": ids}, "\n".join(ids))
