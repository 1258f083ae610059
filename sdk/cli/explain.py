"""``perdure explain``."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from perdure.cli.console import Console, console
from perdure.cli.failures import CONFLICT, Stop
from perdure.cli.settings import Command

if TYPE_CHECKING:
    from perdure.dsl.explain import Page

_MOST_COLUMNS = 80
_CODE = re.compile(r"pd[0-9o]{1,4}", re.IGNORECASE)
"""What is taken for a code, also one that was mistyped; all else is an instance's id."""
_MOST_WAITS = 20


@click.command(cls=Command)
@click.argument("code", required=False, metavar="[CODE|ID]")
@click.pass_context
def explain(ctx: click.Context, code: str | None) -> None:
    """Say what a code means, or why an instance is where it is.

    A code comes with a wrong and a right example, and with what is said of the wrong one; without CODE: all
    codes. Of an instance: what it waits for, and what its history is made of.
    """
    if code is not None and _CODE.fullmatch(code) is None:
        _explain_instance(ctx, code)
        return
    from perdure.dsl.diagnostics import CODES, IGNORABLE, severity_of
    from perdure.dsl.explain import page, said

    out = console(ctx)
    if code is None:
        rows = [{"code": each, "title": title} for each, title in CODES.items()]
        out.answer(rows, "\n".join(_table(out)))
        return
    wanted = code.upper()
    if wanted not in CODES:
        near = get_close_matches(wanted.replace("O", "0"), CODES, n=1)
        hint = f"did you mean {near[0]}?" if near else "perdure explain lists them"
        raise Stop(CONFLICT, "not_found", f"there is no code {code!r}", hint=hint)
    found = page(wanted)
    says = said(found)
    data = {
        "code": wanted,
        "title": CODES[wanted],
        "severity": str(severity_of(wanted)),
        "ignorable": wanted in IGNORABLE or severity_of(wanted) == "warning",
        "text": found.text,
        "wrong": found.wrong,
        "says": says,
        "right": found.right,
    }
    out.answer(data, "\n".join(_lines(out, found, says, ignorable=bool(data["ignorable"]))))


def _explain_instance(ctx: click.Context, instance_id: str) -> None:
    from perdure.cli.connection import note_unserved, open_hub

    out = console(ctx)
    with open_hub(ctx) as hub:
        instance = hub.instance(instance_id)
        waiting = [] if instance["ended_at"] else hub.waiting(instance_id)
        statistics = hub.statistics(instance_id)
        if instance["ended_at"] is None:
            note_unserved(hub, out, "this instance goes on", [instance_id])
    shown = {name: instance[name] for name in ("id", "status", "reason", "error")}
    data = {**shown, "waiting": waiting, "statistics": statistics}
    out.answer(data, "" if out.json else "\n".join(_reasons(out, data)))


def _reasons(out: Console, data: dict[str, Any]) -> Iterator[str]:
    from perdure.cli.texts import error_text, place_text, waiting_text

    because = f": {data['reason']}" if data["reason"] else ""
    yield f"{data['id']} is {out.status(data['status'])}{because}"
    counts = data["statistics"]
    if data["error"] is not None:
        yield error_text(data["error"], place_text(counts["failed"]))
    for each in data["waiting"][:_MOST_WAITS]:
        yield f"waits for {waiting_text(each)}"
    if (more := len(data["waiting"]) - _MOST_WAITS) > 0:
        yield f"and for {more} more things: --json has them all"
    limit = f" of {counts['limit']}" if counts["limit"] else ""
    yield f"history: {counts['events']}{limit} events, {counts['bytes']} bytes, {counts['turns']} turns"
    failed = counts["failed"] and counts["failed"]["path"]
    rows = [
        (
            f"{each['path']} (failed)" if each["path"] == failed else each["path"] or "-",
            *(_cell(each[name]) for name in ("line", "events", "bytes", "attempts")),
            f"{each['seconds']:.3f}" if each["events"] else "-",
        )
        for each in counts["steps"]
    ]
    if rows:
        yield out.table(("STEP", "LINE", "EVENTS", "BYTES", "ATTEMPTS", "SECONDS"), rows)


def _cell(value: int | None) -> str:
    return "-" if value is None else str(value)


def _table(out: Console) -> Iterator[str]:
    from perdure.dsl.diagnostics import CODES
    from perdure.dsl.explain import FAMILIES

    for family, codes in groupby(CODES, key=lambda code: code[:3]):
        yield from (*_heading(out, FAMILIES[family]), *(f"  {code}  {CODES[code]}" for code in codes), "")
    yield "perdure explain CODE says more, with examples."


def _lines(out: Console, page: Page, says: str, *, ignorable: bool) -> Iterator[str]:
    from perdure.dsl.diagnostics import CODES

    columns = min(shutil.get_terminal_size().columns, _MOST_COLUMNS)
    yield from (*_heading(out, f"{page.code}: {CODES[page.code]}"), "")
    for paragraph in page.text.split("\n\n"):
        yield from (*textwrap.wrap(paragraph, columns, break_on_hyphens=False), "")
    for title, text in (("Wrong", page.wrong), ("What perdure says", says), ("Right", page.right)):
        yield from (*_heading(out, title), "", *(f"    {line}".rstrip() for line in text.splitlines()), "")
    if ignorable:
        yield f"If it is meant: '# perdure: ignore[{page.code}]' at the end of the line, or above it."
    else:
        yield "This cannot be ignored."


def _heading(out: Console, text: str) -> list[str]:
    return [click.style(text, bold=True) if out.colors(sys.stdout) else text]
