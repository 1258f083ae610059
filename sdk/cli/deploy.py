"""``perdure deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from perdure.cli.connection import open_store, told_where
from perdure.cli.console import console
from perdure.cli.settings import Command, settings


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.pass_context
def deploy(ctx: click.Context, paths: tuple[str, ...]) -> None:
    """Store workflows, so that they can be started by name.

    A version that is there already with the same content is left alone; with other content it is a conflict.
    All documents of a file are stored, or none.
    """
    from perdure.cli import sources

    checked = [sources.check(path, sources.read_file(Path(path)), None) for path in paths]
    sources.refuse_unsupported(checked)
    for each in checked:
        if not each.workflows and not each.entities:
            raise sources.no_workflow(each.source.name, each.documents, "nothing to deploy")
    db, server = settings(ctx).target()
    with told_where(ctx):
        results = _to_server(server, checked) if server is not None else _to_database(db, checked)
    lines = [f"{each['name']}@{each['version']} {each['outcome']}" for each in results]
    console(ctx).answer(results, "\n".join(lines))


def _to_database(url: str, checked: list[Any]) -> list[dict[str, Any]]:
    from perdure.cli.schema_files import standalone
    from perdure.engine.client import Client
    from perdure.server.deployments import deploy_source

    with open_store(url) as store:
        client = Client(store)
        return [
            row
            for each in checked
            for row in deploy_source(client, standalone(each.source), each.source.name)
        ]


def _to_server(url: str, checked: list[Any]) -> list[dict[str, Any]]:
    from perdure.cli.schema_files import standalone
    from perdure.client import Client

    with Client(url) as client:
        return [
            row for each in checked for row in client.deploy_source(standalone(each.source), each.source.name)
        ]
