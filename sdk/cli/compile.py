"""``perdure compile``."""

from __future__ import annotations

from typing import Any

import click

from perdure.cli.console import console
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("path", metavar="PATH|-")
@click.option("--name", metavar="NAME", help="Only the definition of this name.")
@click.pass_context
def compile(ctx: click.Context, path: str, name: str | None) -> None:  # noqa: A001  # the name of the command
    """List the instructions that workflows and entities compile to.

    For each definition of the file its digest, then one line an instruction, below the path of its step.
    """
    from perdure.cli import sources
    from perdure.cli.choosing import read_source, refuse_unknown
    from perdure.cli.schema_files import files_beside
    from perdure.compiler.build import build

    source = read_source(path)
    built = build(source, files=files_beside(source.name))
    sources.refuse([sources.Checked(source=source, workflows=(), diagnostics=built.diagnostics)])
    rows = [
        *(_row(each.workflow, each) for each in built.workflows),
        *(_row(each.entity, each) for each in built.entities),
    ]
    refuse_unknown(name, [row["name"] for row in rows], source.name)
    rows = [row for row in rows if name in (None, row["name"])]
    texts = [f"digest {row['digest']}\n{row['listing']}" for row in rows]
    console(ctx).answer(rows, "\n".join(texts))


def _row(definition: Any, built: Any) -> dict[str, Any]:
    from perdure.compiler.disassemble import disassemble

    return {
        "name": definition.name,
        "version": definition.version,
        "digest": built.digest,
        "program_digest": built.program_digest,
        "listing": disassemble(built.program),
    }
