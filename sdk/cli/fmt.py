"""``perdure fmt``."""

from __future__ import annotations

import difflib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click

from perdure.cli.console import console
from perdure.cli.failures import BUG, NO, USAGE, Stop
from perdure.cli.finding import find, shown
from perdure.cli.settings import Command
from perdure.cli.sources import MOST_BYTES, Checked, documents, read_file, report

_COLORS = {"+": "green", "-": "red", "@": "cyan"}
_STDIN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file (``-`` is standard input) with its text before and after."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        return self.before != self.after


@click.command(cls=Command)
@click.argument("paths", nargs=-1, metavar="[PATH|-]...")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 when a file would be changed.")
@click.option("--diff", is_flag=True, help="The same, and print what would be changed.")
@click.option("--stdin-filename", default="stdin.perdure.yaml", metavar="NAME", help="The name of '-'.")
@click.pass_context
def fmt(ctx: click.Context, paths: tuple[str, ...], check: bool, diff: bool, stdin_filename: str) -> None:
    """Bring workflow files into one layout.

    Without PATH: every *.perdure.yaml below the working directory. '-' goes from standard input to standard
    output. Comments and meaning stay as they are. A file whose syntax is wrong is left alone: exit code 1.
    """
    out = console(ctx)
    names = find(paths or (".",))
    formatted = [_format(name, stdin_filename if name == _STDIN else shown(name)) for name in names]
    files = [each for each in formatted if isinstance(each, _File)]
    refused = [each for each in formatted if isinstance(each, Checked)]
    changed = [each for each in files if each.changed]
    only_look = check or diff
    if diff:
        text = "".join(_diff(changed, colored=out.colors(sys.stdout) and not out.json))
    elif check:
        text = "".join(f"{shown(each.name)}\n" for each in changed)
    else:
        text = "".join(each.after for each in files if each.name == _STDIN)
        for each in changed:
            if each.name != _STDIN:
                _replace(Path(each.name), each.after)
    if refused:
        sys.stderr.write(report(refused))
    data = {
        "files": [shown(each) for each in names],
        "changed": [shown(each.name) for each in changed],
        "diagnostics": documents(refused),
        "text": None if check and not diff else text,
    }
    out.answer(data, text)
    out.note(
        _summary(len(changed), len(refused), len(names), "would be formatted" if only_look else "formatted")
    )
    if refused or (only_look and changed):
        ctx.exit(NO)


def _format(name: str, label: str) -> _File | Checked:
    """A file formatted, or what is wrong with it. Raises ``Stop``."""
    from perdure.dsl import Source, load_bytes
    from perdure.dsl.format import MeaningChanged, format_source

    data = sys.stdin.buffer.read(MOST_BYTES) if name == _STDIN else read_file(Path(name))
    try:
        source = Source(label, data.decode("utf-8"))
    except UnicodeDecodeError:
        source = Source(label, data.decode("utf-8", "replace"))
        return Checked(source=source, workflows=(), diagnostics=load_bytes(label, data).diagnostics)
    try:
        found = format_source(source)
    except MeaningChanged as problem:
        message = f"perdure fmt cannot format {label} ({problem}); the file was left alone"
        raise Stop(BUG, "internal", message, hint="please report this with the file") from None
    if found.diagnostics:
        return Checked(source=source, workflows=(), diagnostics=found.diagnostics)
    return _File(name=name, before=source.text, after=found.text)


def _replace(path: Path, text: str) -> None:
    """Put a new text in the place of a file, all at once, with the old one's mode; a link stays one."""
    path = path.resolve()
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise Stop(USAGE, "unwritable", f"cannot write {shown(str(path))}: {error.strerror}") from None


def _diff(files: Iterable[_File], *, colored: bool) -> Iterator[str]:
    for file in files:
        before, after = (text.splitlines(keepends=True) for text in (file.before, file.after))
        for line in difflib.unified_diff(before, after, shown(file.name), shown(file.name)):
            whole = line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            color = _COLORS.get(line[0])
            yield click.style(whole, fg=color) if colored and color else whole


def _summary(changed: int, refused: int, files: int, what: str) -> str:
    counted, share = (files, f"{changed} of ") if changed else (files - refused, "")
    word = "file" if counted == 1 else "files"
    said = f"{share}{counted} {word} {what if changed else 'in order'}"
    return said + (f", {refused} left alone" if refused else "")
