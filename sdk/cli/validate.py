"""``perdure validate``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from perdure.cli.console import Console, console
from perdure.cli.failures import NO, USAGE, Stop
from perdure.cli.settings import Command, settings


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="[PATH|-]...")
@click.option(
    "--output-format",
    type=click.Choice(["full", "concise", "json"]),
    default="full",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--activities", "modules", multiple=True, metavar="MODULE", help="Where the activities are.")
@click.option("--stdin-filename", default="stdin.perdure.yaml", metavar="NAME", help="The name of '-'.")
@click.pass_context
def validate(
    ctx: click.Context,
    paths: tuple[str, ...],
    output_format: str,
    modules: tuple[str, ...],
    stdin_filename: str,
) -> None:
    """Check workflow files and point at what is wrong.

    Without PATH: every *.perdure.yaml below the working directory. A directory stands for those below it.
    Calls are checked against the modules of --activities, else against activities.py beside each file.
    Exit code 1 when something was found, 2 when there was no file.
    """
    from perdure.cli import sources

    files = _files(paths or (".",))
    checked = []
    for file in files:
        if file == "-":
            name, data, folder = stdin_filename, sys.stdin.buffer.read(sources.MOST_BYTES), Path()
        else:
            name, data, folder = file, sources.read_file(Path(file)), Path(file).parent
        checked.append(sources.check(name, data, sources.registry(modules, folder)))
    out = console(ctx)
    found = any(each.diagnostics for each in checked)
    if settings(ctx).json:
        out.answer({"files": files, "diagnostics": sources.documents(checked)}, "")
    elif found or output_format == "json":
        sys.stdout.write(sources.report(checked, output_format))  # type: ignore[arg-type]  # click checked it
    if not found:
        _praise(out, len(files))
    if not all(each.ok for each in checked):
        ctx.exit(NO)


def _praise(out: Console, files: int) -> None:
    out.note(f"{files} {'file' if files == 1 else 'files'}, no problems")


def _files(paths: tuple[str, ...]) -> list[str]:
    """The files that are meant, each once, in order. Raises ``Stop`` when there is none."""
    found: list[str] = []
    for given in paths:
        path = Path(given)
        if given != "-" and path.is_dir():
            found += sorted(each.as_posix() for each in path.rglob("*.perdure.yaml") if each.is_file())
        elif given == "-" or path.exists():
            found.append(given)
        else:
            raise Stop(USAGE, "no_file", f"there is no file {given}")
    if not found:
        where = ", ".join(paths)
        hint = "workflow files are found by the name *.perdure.yaml; name others one by one"
        raise Stop(USAGE, "no_file", f"no workflow file below {where}", hint=hint)
    return list(dict.fromkeys(found))
