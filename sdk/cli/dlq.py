"""``perdure dlq``: dead letters."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal

import click

from perdure.cli.connection import Hub, note_unserved, open_hub, tell_where
from perdure.cli.console import console, pretty
from perdure.cli.failures import BUG, NO, Stop, exit_code
from perdure.cli.inputs import Whole
from perdure.cli.settings import GLOBAL_OPTIONS, Command, Group
from perdure.cli.texts import time_text
from perdure.engine.errors import PerdureError

_DONE = {"retry": "delivering", "discard": "discarded"}
_PAGE = 1000


@click.group(cls=Group, params=[*GLOBAL_OPTIONS], context_settings={"help_option_names": ["-h", "--help"]})
def dlq() -> None:
    """Look at what could not be delivered; deliver or discard it."""


@dlq.command("list", cls=Command)
@click.option("--instance", metavar="ID", help="Only what was for this instance.")
@click.option("--limit", type=Whole(1, 1000), default=50, show_default=True, help="Most rows.")
@click.option("--cursor", help="Where the page before ended.")
@click.pass_context
def list_letters(ctx: click.Context, instance: str | None, limit: int, cursor: str | None) -> None:
    """List dead letters, newest first."""
    out = console(ctx)
    with open_hub(ctx) as hub:
        page = hub.dead_letters(instance, limit=limit, cursor=cursor)
    out.page(page, ("NUMBER", "TIME", "INSTANCE", "KIND", "REASON"), _row, nothing="no dead letters")


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    return str(each["number"]), time_text(each["at"]), each["instance"], each["kind"], each["reason"]


@dlq.command(cls=Command)
@click.argument("number", type=Whole(1))
@click.pass_context
def show(ctx: click.Context, number: int) -> None:
    """Show a dead letter and what is in it."""
    with open_hub(ctx) as hub:
        letter = hub.dead_letter(number)
    titles = ("number", "at", "instance", "kind", "reason", "message")
    lines = [f"{title:8}  {letter[title]}" for title in titles]
    console(ctx).answer(letter, "\n".join([*lines, f"event     {pretty(letter['event'])}"]))


@dlq.command(cls=Command)
@click.argument("numbers", nargs=-1, type=Whole(1), metavar="NUMBER...")
@click.option("--all", "everything", is_flag=True, help="Every one that is there.")
@click.pass_context
def retry(ctx: click.Context, numbers: tuple[int, ...], everything: bool) -> None:
    """Deliver dead letters after all."""
    _check(ctx, numbers, everything)
    _settle(ctx, "retry", numbers)


@dlq.command(cls=Command)
@click.argument("numbers", nargs=-1, type=Whole(1), metavar="NUMBER...")
@click.option("--all", "everything", is_flag=True, help="Every one that is there.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def discard(ctx: click.Context, numbers: tuple[int, ...], everything: bool, yes: bool) -> None:
    """Delete dead letters."""
    _check(ctx, numbers, everything)
    if not yes:
        _ask(ctx, numbers)
    _settle(ctx, "discard", numbers)


def _check(ctx: click.Context, numbers: tuple[int, ...], everything: bool) -> None:
    if everything == bool(numbers):
        raise click.UsageError("give the numbers of dead letters, or --all", ctx)


def _ask(ctx: click.Context, numbers: tuple[int, ...]) -> None:
    one = f"dead letter {numbers[0]}" if numbers else "all dead letters"
    what = f"{len(numbers)} dead letters" if len(numbers) > 1 else one
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"to discard {what} without being asked, give --yes", ctx)
    if not click.confirm(f"Discard {what}?", err=True):
        raise Stop(NO, "declined", "nothing was discarded")


def _settle(ctx: click.Context, verb: Literal["retry", "discard"], numbers: tuple[int, ...]) -> None:
    """One that cannot be settled does not keep the others from it."""
    out = console(ctx)
    done: list[dict[str, Any]] = []
    failed: list[tuple[int, PerdureError]] = []
    with open_hub(ctx) as hub:
        for number in numbers or list(_every(hub)):
            try:
                done.append(getattr(hub, f"{verb}_dead_letter")(number))
            except PerdureError as error:
                if exit_code(error) == BUG:
                    raise
                tell_where(ctx, error)
                failed.append((number, error))
        for each in done:
            out.note(f"{_DONE[verb]} {each['number']}")
        if done and verb == "retry":
            note_unserved(hub, out, "they are delivered", ["..."])
    if failed:
        raise _refused(verb, done, failed)
    if not done:
        out.note("no dead letters")
    out.answer(done, "")


def _every(hub: Hub) -> Iterator[int]:
    """The numbers of all, oldest first, so that messages of one sender keep their order."""
    numbers: list[int] = []
    page = hub.dead_letters(limit=_PAGE)
    numbers += [each["number"] for each in page["items"]]
    while page["next"]:
        page = hub.dead_letters(limit=_PAGE, cursor=page["next"])
        numbers += [each["number"] for each in page["items"]]
    return reversed(numbers)


def _refused(verb: str, done: list[dict[str, Any]], failed: list[tuple[int, PerdureError]]) -> Stop:
    """One line for each that could not be settled; the exit code is the worst one's."""
    first = failed[0][1]
    message = str(first)
    if len(failed) > 1 or done:
        count = f"{len(failed)} of {len(done) + len(failed)} dead letters"
        lines = [f"  {number}: {error}" for number, error in failed]
        message = "\n".join([f"cannot {verb} {count}:", *lines])
    details = {
        "done": done,
        "failed": [{"number": number, "code": e.code, "message": str(e)} for number, e in failed],
    }
    worst = max(exit_code(error) for _, error in failed)
    return Stop(worst, first.code, message, hint=first.hint, details=details)
