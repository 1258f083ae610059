"""``perdure show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from perdure.cli.connection import Hub, failed_at, note_unserved, open_hub
from perdure.cli.console import Console, console, pretty
from perdure.cli.settings import Command
from perdure.cli.texts import error_text, time_text, waiting_text

_MOST_WAITS = 20


@click.command(cls=Command)
@click.argument("instance_id", metavar="ID")
@click.pass_context
def show(ctx: click.Context, instance_id: str) -> None:
    """Show an instance and what it waits for."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        instance = _instance(hub, instance_id)
        waiting = [] if instance["ended_at"] else hub.waiting(instance_id)
        if instance["ended_at"] is None:
            note_unserved(hub, out, "this instance goes on", [instance_id])
        place = failed_at(hub, instance)
    if out.json:
        out.answer({**instance, "waiting": waiting}, "")
    else:
        out.answer(None, "\n".join(_lines(out, instance, waiting, place)))


def _instance(hub: Hub, instance_id: str) -> dict[str, Any]:
    """Who names a workflow instead of one of its instances is told so."""
    from perdure.engine.errors import NotFound

    try:
        return hub.instance(instance_id)
    except NotFound as error:
        if hub.definitions(instance_id):
            error.hint = (
                f"{instance_id} is a workflow: perdure list --name {instance_id} has its instances,"
                f" perdure definitions show {instance_id} has its source"
            )
        raise


def _lines(
    out: Console, instance: dict[str, Any], waiting: list[dict[str, Any]], place: str | None
) -> Iterator[str]:
    yield f"id        {instance['id']}"
    yield f"workflow  {instance['workflow']}@{instance['version']}"
    yield f"status    {out.status(instance['status'])}"
    for title, value in (
        ("parent", instance["parent_id"]),
        ("reason", instance["reason"]),
        ("created", time_text(instance["created_at"])),
        ("ended", time_text(instance["ended_at"])),
        ("tags", " ".join(f"{key}={value}" for key, value in sorted(instance["tags"].items()))),
    ):
        if value:
            yield f"{title:8}  {value}"
    if instance["generation"] > 1:
        yield f"generation {instance['generation']}"
    if instance["custom_status"] is not None:
        yield f"custom    {pretty(instance['custom_status'])}"
    if instance["input"] is not None:
        yield f"input     {pretty(instance['input'])}"
    for each in waiting[:_MOST_WAITS]:
        yield f"waits for {waiting_text(each)}"
    if (more := len(waiting) - _MOST_WAITS) > 0:
        yield f"and for {more} more things: --json has them all"
    if instance["status"] == "Completed":
        yield f"output    {pretty(instance['output'])}"
    if instance["error"] is not None:
        yield f"error     {error_text(instance['error'], place)}"
