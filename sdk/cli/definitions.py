"""``perdure definitions``: versions of what is deployed."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.connection import open_hub, unknown_definition
from perdure.cli.console import console
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group, settings
from perdure.cli.texts import time_text

_REFERENCE = "NAME@VERSION"


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def definitions() -> None:
    """Look at deployed versions; choose what is started."""


@definitions.command("list", cls=Command)
@click.argument("name", required=False)
@click.pass_context
def list_definitions(ctx: click.Context, name: str | None) -> None:
    """List what is deployed, by name and then newest first."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        items = hub.definitions(name)
        nothing = "nothing is deployed" if name is None or items else unknown_definition(hub, name)
    page = {"items": items, "next": None}
    out.page(page, ("NAME", "VERSION", "STATE", "DEPLOYED"), _row, nothing=nothing)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    state = "active" if each["active"] else "retired" if each["retired"] else ""
    return each["name"], each["version"], state, time_text(each["created_at"])


@definitions.command(cls=Command)
@click.argument("reference", metavar="NAME[@VERSION]")
@click.pass_context
def show(ctx: click.Context, reference: str) -> None:
    """Print the source of a version, the active one by default."""
    name, _, version = reference.partition("@")
    with open_hub(ctx) as hub:
        definition = hub.definition(name, version or None)
    console(ctx).answer(definition, definition["source"].rstrip("\n"))


@definitions.command(cls=Command)
@click.argument("old", metavar="NAME@VERSION")
@click.argument("new", metavar="NAME@VERSION")
@click.pass_context
def diff(ctx: click.Context, old: str, new: str) -> None:
    """Say what differs between two versions, and what the second one breaks of the first."""
    (name, before), (other, after) = _parsed(ctx, old), _parsed(ctx, new)
    if name != other:
        raise click.UsageError("both versions are of one definition", ctx)
    remote = settings(ctx).target()[1] is not None
    with open_hub(ctx) as hub:
        found = _compared(hub, remote, name, before, after)
    console(ctx).answer(
        found, "\n".join([*found["changes"], *(f"breaks: {each}" for each in found["breaks"])])
    )


def _compared(hub: Any, remote: bool, name: str, old: str, new: str) -> dict[str, Any]:
    from perdure.server.deployments import compare

    found: dict[str, Any] = hub.compare(name, old, new) if remote else compare(hub, name, old, new)
    return found


@definitions.command(cls=Command)
@click.argument("reference", metavar="NAME@VERSION")
@click.pass_context
def activate(ctx: click.Context, reference: str) -> None:
    """Make a version what a start without a version means, also one that was retired."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        found = hub.activate(*_parsed(ctx, reference))
    out.note(f"{reference} is active" if found["changed"] else f"{reference} is active already")
    out.answer(found, "")


@definitions.command(cls=Command)
@click.argument("reference", metavar="NAME@VERSION")
@click.pass_context
def retire(ctx: click.Context, reference: str) -> None:
    """Let a version start nothing any more. What runs on it goes on."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        found = hub.retire(*_parsed(ctx, reference))
    out.note(f"{reference} is retired" if found["changed"] else f"{reference} is retired already")
    out.answer(found, "")


def _parsed(ctx: click.Context, reference: str) -> tuple[str, str]:
    name, at, version = reference.partition("@")
    if not (name and at and version):
        raise click.UsageError(f"{reference!r} is no {_REFERENCE}", ctx)
    return name, version
