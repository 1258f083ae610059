"""``perdure diagram``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from perdure.cli.console import console, is_unicode
from perdure.cli.failures import USAGE, Stop
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("path", metavar="PATH|-")
@click.option(
    "--format",
    "picture",
    type=click.Choice(["svg", "mermaid", "ascii"]),
    help="By default what the name of --out says, else ascii.",
)
@click.option("--out", metavar="FILE", help="Write the picture to a file.")
@click.option("--name", metavar="NAME", help="The workflow, where a file holds several.")
@click.pass_context
def diagram(ctx: click.Context, path: str, picture: str | None, out: str | None, name: str | None) -> None:
    """Draw a workflow as SVG, Mermaid or text.

    Above 400 steps, steps that hold others are drawn closed, with the number of steps inside.
    """
    from perdure.cli import sources
    from perdure.cli.choosing import read_source, refuse_unknown
    from perdure.dsl import load
    from perdure.dsl.diagram import draw
    from perdure.dsl.model import Workflow

    source = read_source(path)
    loaded = load(source)
    sources.refuse([sources.Checked(source=source, workflows=(), diagnostics=loaded.diagnostics)])
    workflows = [each for each in loaded.documents if isinstance(each, Workflow)]
    names = [each.name for each in workflows]
    if not workflows:
        drawn = "no workflow, and entities are not drawn" if loaded.entities else "no workflow"
        raise sources.no_workflow(source.name, loaded.documents, drawn)
    refuse_unknown(name, names, source.name)
    chosen = [each for each in workflows if name in (None, each.name)]
    if len(chosen) != 1:
        held = f"{source.name} holds several workflows: {', '.join(names)}"
        raise Stop(USAGE, "several_workflows", held, hint="choose one with --name")
    wanted = picture or _by_name(out)
    text = draw(chosen[0], wanted, unicode=out is not None or is_unicode(sys.stdout))  # type: ignore[arg-type]
    screen = console(ctx)
    if out is not None:
        _write(Path(out), text)
        screen.note(f"{chosen[0].name} {chosen[0].version} drawn in {out}")
    shown = "" if out is not None else text
    screen.answer(
        {"name": chosen[0].name, "version": chosen[0].version, "format": wanted, "out": out, "text": text},
        shown,
    )


def _by_name(out: str | None) -> str:
    """The format that the name of a file asks for."""
    suffix = Path(out).suffix if out else ""
    return {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid"}.get(suffix, "ascii")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise Stop(USAGE, "unwritable", f"cannot write {file}: {error.strerror}") from None
