"""``perdure deploy``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from perdure.cli.connection import open_hub, open_store
from perdure.cli.console import console
from perdure.cli.settings import Command, settings


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and write nothing.")
@click.option("--no-activate", is_flag=True, help="Leave it to the active version to be started.")
@click.option("--allow-breaking", is_flag=True, help="Also what breaks callers of the active version.")
@click.option(
    "--check-replay", is_flag=True, help="Only if running instances would have decided the same by it."
)
@click.pass_context
def deploy(
    ctx: click.Context,
    paths: tuple[str, ...],
    dry_run: bool,
    no_activate: bool,
    allow_breaking: bool,
    check_replay: bool,
) -> None:
    """Store workflows, so that they can be started by name.

    Of a directory all files are meant whose names end in .perdure.yaml, also those further below.

    A version that is there already with the same content is left alone; with other content it is a conflict.
    All documents of a file are stored, or none. A new version that breaks what the active one promises needs
    a new major number, or --allow-breaking.
    """
    from perdure.cli import sources
    from perdure.cli.finding import find

    checked = [sources.check(path, sources.read_file(Path(path)), None) for path in find(paths)]
    sources.refuse(checked)
    empty = [each for each in checked if not each.workflows and not each.entities]
    for each in empty:
        # What a directory holds beside workflows, such as tests, was not named.
        if each.source.name in paths or len(empty) == len(checked):
            raise sources.no_workflow(each.source.name, each.documents, "nothing to deploy")
    flags = {
        "dry_run": dry_run,
        "activate": not no_activate,
        "allow_breaking": allow_breaking,
        "check_replay": check_replay,
    }
    with _open(ctx, dry_run=dry_run) as hub:
        server = settings(ctx).target()[1]
        results = [
            row
            for each in checked
            if each not in empty
            for row in _deploy(hub, server is not None, each.source, flags)
        ]
    out = console(ctx)
    for row in results:
        for broken in row["breaks"]:
            out.note(f"{row['name']}@{row['version']} breaks: {broken}")
        if "replayed" in row:
            out.note(f"{row['name']}@{row['version']} {_replayed(row)}")
    out.answer(results, "\n".join(_told(row, dry_run=dry_run) for row in results))


@contextmanager
def _open(ctx: click.Context, *, dry_run: bool) -> Generator[Any]:
    """The hub. For a dry run none is made: where there is none, one with nothing in it is in its place."""
    from perdure.engine.client import Client
    from perdure.engine.errors import NotFound

    with ExitStack() as stack:
        try:
            hub: Any = stack.enter_context(open_hub(ctx, create=not dry_run))
        except NotFound as error:
            if not dry_run:
                raise
            console(ctx).note(f"all is new: {error}\n  hint: {error.hint}")
            hub = Client(stack.enter_context(open_store("memory://")))
        yield hub


def _deploy(hub: Any, remote: bool, source: Any, flags: dict[str, bool]) -> list[dict[str, Any]]:
    from perdure.cli.schema_files import standalone
    from perdure.server.deployments import deploy_source

    text, name = standalone(source), source.name
    rows: list[dict[str, Any]]
    rows = hub.deploy_source(text, name, **flags) if remote else deploy_source(hub, text, name, **flags)
    return rows


def _replayed(row: dict[str, Any]) -> str:
    if row["outcome"] == "unchanged" and row["active"]:
        return "is deployed already, and active: running instances are not replayed by what they run on"
    count = row["replayed"]
    return f"replays {count} running instance{'' if count == 1 else 's'}"


def _told(row: dict[str, Any], *, dry_run: bool) -> str:
    would = "would be " if dry_run else ""
    active = "" if row["active"] else ", not active"
    return f"{row['name']}@{row['version']} {would}{row['outcome']}{active}"
