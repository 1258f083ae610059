"""``perdure explain``."""

from __future__ import annotations

from difflib import get_close_matches

import click

from perdure.cli.console import console
from perdure.cli.failures import CONFLICT, Stop
from perdure.cli.settings import Command


@click.command(cls=Command)
@click.argument("code", required=False)
@click.pass_context
def explain(ctx: click.Context, code: str | None) -> None:
    """Say what a diagnostic's code means.

    Without CODE: all of them.
    """
    from perdure.dsl.diagnostics import CODES

    out = console(ctx)
    if code is None:
        rows = [{"code": each, "title": title} for each, title in CODES.items()]
        out.answer(rows, "\n".join(f"{each}  {title}" for each, title in CODES.items()))
        return
    wanted = code.upper()
    if wanted not in CODES:
        near = get_close_matches(wanted, CODES, n=1)
        hint = f"did you mean {near[0]}?" if near else "perdure explain lists them"
        raise Stop(CONFLICT, "not_found", f"there is no code {code!r}", hint=hint)
    out.answer({"code": wanted, "title": CODES[wanted]}, f"{wanted}  {CODES[wanted]}")
