"""``perdure schema``."""

from __future__ import annotations

from pathlib import Path

import click

from perdure.cli.console import console
from perdure.cli.failures import USAGE, Stop
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("what", type=click.Choice(["dsl"]), default="dsl", metavar="[dsl]", expose_value=False)
@click.option(
    "--activities",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="Where activities are, whose names and arguments the schema shall know.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it there.")
@click.pass_context
def schema(ctx: click.Context, modules: tuple[str, ...], out: Path | None) -> None:
    """Print the JSON Schema of workflow files, for editors.

    With --activities: one for a project, whose calls are checked and completed while they are written.
    """
    from perdure.dsl.editor_schema import editor_schema, schema_text

    found = editor_schema(_manifest(modules))
    said = console(ctx)
    if out is None:
        said.answer(found, schema_text(found))
        return
    try:
        out.write_text(schema_text(found), encoding="utf-8")
    except OSError as error:
        raise Stop(USAGE, "unwritable", f"cannot write {out}: {error.strerror}") from None
    said.answer({"file": out.as_posix()}, out.as_posix())
    said.note(f"begin files beside it with:\n  # yaml-language-server: $schema=./{out.name}")


def _manifest(modules: tuple[str, ...]) -> dict[str, object] | None:
    from perdure.cli import sources

    registry = sources.registry(modules, Path()) if modules else None
    return registry.manifest() if registry else None
