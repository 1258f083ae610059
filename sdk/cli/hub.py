"""``perdure hub``: a whole hub, to be moved to another database."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from perdure.cli.connection import open_store, told_where
from perdure.cli.console import console
from perdure.cli.failures import NO, UNREACHABLE, USAGE, Stop
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group, settings
from perdure.engine.audit import LOCAL, entry
from perdure.engine.errors import Conflict, StoreError

if TYPE_CHECKING:
    from perdure.engine.store.rows import AuditEntry
    from perdure.engine.store.sql import SqlStore

_GZIP = b"\x1f\x8b"


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def hub() -> None:
    """Move a hub, with all that runs in it, to another database."""


@hub.command("export", cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def export_hub(ctx: click.Context, file: Path, yes: bool) -> None:
    """Write the hub to FILE (compressed if it ends in .gz), and close it.

    Stop its servers and workers first. From then on its work goes on where FILE is imported, and nowhere
    else: whoever opens this database is told so. FILE holds everything, secrets included.
    """
    out = console(ctx)
    if file.exists():
        raise Stop(USAGE, "usage", f"{file} exists already", hint="give the name of a new file")
    with _opened(ctx, "hub export", there=True) as store:
        if not yes:
            _ask(ctx)
        counts = _write(file, store, _noted(ctx, "hub.export", file=str(file)))
    out.answer({"file": str(file), "rows": counts}, "")
    out.note(f"{_said(counts)} are in {file}")
    out.note("this database is closed now: perdure hub import FILE, with --db, once, goes on in another one")
    out.note("  to go on in this one, if FILE is imported nowhere: perdure hub reopen")


@hub.command("import", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_hub(ctx: click.Context, file: Path) -> None:
    """Read FILE, which a hub was exported to, into a hub that nobody has used.

    All of it, or nothing. What ran goes on as soon as a worker works on this database.
    """
    out = console(ctx)
    with _opened(ctx, "hub import") as store:
        try:
            with _read(file) as lines:
                counts = store.take_in(lines, _noted(ctx, "hub.import", file=str(file)))
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise Stop(USAGE, "invalid", f"{file} was cut off, or changed") from None
    out.answer({"file": str(file), "rows": counts}, "")
    out.note(f"{_said(counts)} came from {file}")


@hub.command(cls=Command)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def reopen(ctx: click.Context, yes: bool) -> None:
    """Open a hub again that was closed by an export.

    Only if the file was imported nowhere: else everything that ran goes on twice.
    """
    out = console(ctx)
    try:
        with _opened(ctx, "hub reopen", there=True):
            out.note("this database was not closed")
            return
    except Conflict:
        pass
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise click.UsageError("to reopen the hub without being asked, give --yes", ctx)
        if not click.confirm("Was its file imported nowhere?", err=True):
            raise Stop(NO, "declined", "the hub stays closed")
    with _opened(ctx, "hub reopen", there=True, reopen=True) as store:
        store.add_audit([_noted(ctx, "hub.reopen")])
    out.note("this database is open again")


def _ask(ctx: click.Context) -> None:
    """Nothing goes on in a hub that was exported: who wants a copy must not find that out afterwards."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("to export the hub, which closes it, without being asked, give --yes", ctx)
    if not click.confirm("Export the hub, and close it? Nothing goes on in this database then.", err=True):
        raise Stop(NO, "declined", "nothing was exported, and the hub stays open")


def _noted(ctx: click.Context, action: str, **details: str) -> AuditEntry:
    return entry(settings(ctx).acting() or LOCAL, action, "hub", **details)


@contextmanager
def _opened(
    ctx: click.Context, command: str, *, there: bool = False, reopen: bool = False
) -> Generator[SqlStore]:
    url = settings(ctx).named_database(command, command)
    if url.startswith("memory:") or url.removeprefix("sqlite://").strip("/") in {"", ":memory:"}:
        raise Stop(USAGE, "usage", f"{command} needs a database that outlives this command; give --db")
    options = {"create": not there, **({"reopen": True} if reopen else {})}
    with told_where(ctx), open_store(url, **options) as store:
        yield cast("SqlStore", store)


def _write(file: Path, store: SqlStore, audit: AuditEntry) -> dict[str, int]:
    """The file gets its name last, when the hub is closed: no open hub has a file that looks whole."""
    part = file.with_name(f"{file.name}.part")
    if part.exists():
        raise Stop(
            USAGE, "usage", f"{part} is there", hint="it may be the whole of another hub: look at it first"
        )
    whole = False
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
            to = gzip.GzipFile(filename="", fileobj=raw, mode="wb") if file.suffix == ".gz" else raw

            def finish() -> None:
                nonlocal whole
                if to is not raw:
                    to.close()
                raw.flush()
                os.fsync(raw.fileno())
                _sync_names(part.parent)
                whole = True

            counts = store.export(to.write, finish, audit)
        part.rename(file)
    except BaseException as error:
        if not whole:
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Stop(UNREACHABLE, "unreachable", f"cannot write {part}: {error.strerror}") from None
        if whole and isinstance(error, StoreError):
            error.hint = f"if this database is closed now, all of it is in {part}"
        raise
    return counts


def _sync_names(folder: Path) -> None:
    """A file that is on the disk is lost with its power all the same while its name is not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _read(file: Path) -> Generator[Iterable[bytes]]:
    with file.open("rb") as raw:
        if raw.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as lines:
            yield lines


def _said(counts: dict[str, int]) -> str:
    found = counts["instances"]
    return f"{found} instance{'' if found == 1 else 's'} and {sum(counts.values())} rows in all"
