"""``perdure validate``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perdure.cli.console import Console, console
from perdure.cli.failures import NO, USAGE, Stop
from perdure.cli.finding import find, shown
from perdure.cli.settings import Command, settings

if TYPE_CHECKING:
    from perdure.cli.sources import Checked

FORMATS = ("full", "concise", "json", "github", "gitlab", "sarif", "junit")


def _codes(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """Codes or beginnings of codes, in capitals. Raises ``click.BadParameter`` for one that means nothing."""
    from perdure.dsl.diagnostics import CODES

    found = tuple(word.strip().upper() for value in values for word in value.split(",") if word.strip())
    for each in found:
        if not any(code.startswith(each) for code in CODES):
            near = get_close_matches(each.replace("O", "0"), CODES, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; 'perdure explain' lists them"
            raise click.BadParameter(f"there is no code {shown(each)!r}{hint}", ctx, param)
    return found


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="[PATH|-]...")
@click.option(
    "--output-format",
    type=click.Choice(FORMATS),
    default="full",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--output-file", type=click.Path(path_type=Path), metavar="FILE", help="Write findings there.")
@click.option("--select", multiple=True, callback=_codes, metavar="CODES", help="Report these codes only.")
@click.option("--ignore", multiple=True, callback=_codes, metavar="CODES", help="Do not report these codes.")
@click.option("--activities", "modules", multiple=True, metavar="MODULE", help="Where the activities are.")
@click.option("--strict", is_flag=True, help="Look closer, and let warnings count as errors do.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 whatever is found.")
@click.option("--stdin-filename", default="stdin.perdure.yaml", metavar="NAME", help="The name of '-'.")
@click.pass_context
def validate(
    ctx: click.Context,
    paths: tuple[str, ...],
    output_format: str,
    output_file: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    modules: tuple[str, ...],
    strict: bool,
    exit_zero: bool,
    stdin_filename: str,
) -> None:
    """Check workflow files and point at what is wrong.

    Without PATH: all files below the working directory that end in .perdure.yaml, .perdure.yml or
    .perdure-test.yaml. A directory stands for those below it. Calls are checked against the modules of
    --activities, else against activities.py beside each file. CODES are codes or their beginnings, with
    commas between them: PD401,PD8. Exit code 1 when there are errors (with --strict: or warnings), 2 when
    there was no file; it does not depend on the format.
    """
    files = find(paths or (".",))
    checked = _checked(files, modules, strict, stdin_filename)
    wanted = [_selected(each, select, ignore) for each in checked]
    out = console(ctx)
    _tell(ctx, out, files, wanted, output_format, output_file)
    if not any(each.diagnostics for each in wanted):
        _praise(out, len(files), sum(len(each.diagnostics) for each in checked))
    failed = any(each.diagnostics if strict else not each.ok for each in wanted)
    if failed and not exit_zero:
        ctx.exit(NO)


def _checked(
    files: Sequence[str], modules: Sequence[str], strict: bool, stdin_filename: str
) -> list[Checked]:
    """The files, each with its activities, knowing of each other's documents."""
    from perdure.cli import sources

    given = []
    for file in files:
        if file == "-":
            given.append((shown(stdin_filename), sys.stdin.buffer.read(sources.MOST_BYTES), Path()))
        else:
            given.append((shown(file), sources.read_file(Path(file)), Path(file).parent))
    outlines = [sources.outline(name, data) for name, data, _ in given] if len(given) > 1 else [()]
    found = []
    for number, (name, data, folder) in enumerate(given):
        beside = [each for other, each in enumerate(outlines) if other != number]
        known = list(chain.from_iterable(beside))
        activities = sources.registry(modules, folder)
        found.append(sources.check(name, data, activities, beside=known, strict=strict))
    return sources.check_together_too(found)


def _selected(checked: Checked, select: tuple[str, ...], ignore: tuple[str, ...]) -> Checked:
    """The same file with the diagnostics that are to be reported."""
    diagnostics = tuple(
        each
        for each in checked.diagnostics
        if (not select or each.code.startswith(select)) and not each.code.startswith(ignore)
    )
    return replace(checked, diagnostics=diagnostics)


def _tell(
    ctx: click.Context,
    out: Console,
    files: Sequence[str],
    checked: Sequence[Checked],
    format: Any,
    file: Path | None,
) -> None:
    from perdure.cli import sources
    from perdure.dsl.report.full import Look, counted

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    look = Look(color=file is None and out.colors(sys.stdout), columns=columns if file is None else None)
    report = sources.report(checked, format, look)
    if file is not None:
        try:
            file.write_text(report, encoding="utf-8")
        except OSError as error:
            raise Stop(USAGE, "unwritable", f"cannot write {file}: {error.strerror}") from None
        if found := counted([each for one in checked for each in one.diagnostics]):
            out.note(f"{found}, written to {file}")
        report = ""
    names = [shown(each) for each in files]
    data = {"files": names, "diagnostics": sources.documents(checked)} if settings(ctx).json else None
    out.answer(data, report)


def _praise(out: Console, files: int, left_out: int) -> None:
    more = f" ({left_out} not selected)" if left_out else ""
    out.note(f"{files} {'file' if files == 1 else 'files'}, no problems{more}")
