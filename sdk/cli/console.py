"""Where text goes: stdout has the answer and nothing else, stderr what people may like to know meanwhile."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click

from perdure.cli.settings import Color, Settings, settings

STATUS_COLORS = {
    "Completed": "green",
    "Failed": "red",
    "Terminated": "red",
    "Canceled": "red",
    "Suspended": "yellow",
    "Running": "blue",
}


class Console:
    """The two streams of a command, as its settings want them."""

    def __init__(self, said: Settings) -> None:
        self.json = said.json
        self.quiet = said.quiet
        self._color = said.color

    def answer(self, data: Any, text: str, **more: Any) -> None:
        """Print the answer: one JSON document (``more`` beside ``data``), or the text for people."""
        if self.json:
            _write(json_text({"version": 1, "data": data, **more}))
        elif text:
            _write(text if text.endswith("\n") else text + "\n")

    def note(self, text: str) -> None:
        """A remark on stderr, unless it was asked to be quiet."""
        if not self.quiet:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Columns for people: drawn on a terminal, plain and stable elsewhere."""
        if self.draws(sys.stdout):
            from perdure.cli.tables import drawn

            return drawn(titles, rows, color=self.colors(sys.stdout))
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (titles, *rows)
        )
        return "\n".join(lines)

    def page(
        self,
        page: dict[str, Any],
        titles: Sequence[str],
        row: Callable[[dict[str, Any]], Sequence[str]],
        *,
        nothing: str,
    ) -> None:
        """Print a page of a list, and where the next one begins."""
        more = {"next": page["next"]} if page["next"] else {}
        rows = [] if self.json else [row(each) for each in page["items"]]
        self.answer(page["items"], self.table(titles, rows) if rows else "", **more)
        if not page["items"]:
            self.note(nothing)
        elif more:
            self.note(f"more: --cursor {page['next']}")

    def draws(self, stream: TextIO) -> bool:
        """Whether there is a terminal that can move its cursor."""
        return stream.isatty() and os.environ.get("TERM") != "dumb"

    def colors(self, stream: TextIO) -> bool:
        """Whether colours are wanted there."""
        return _colors(self._color, stream)

    def status(self, status: str) -> str:
        """A status in its colour."""
        wanted = STATUS_COLORS.get(status)
        return click.style(status, fg=wanted) if wanted and self.colors(sys.stdout) else status


def console(ctx: click.Context) -> Console:
    """The console of this call."""
    return Console(settings(ctx))


def pretty(value: Any) -> str:
    """A JSON value for people."""
    return json.dumps(value, ensure_ascii=not _is_unicode(sys.stdout), allow_nan=False, indent=2)


def json_text(value: Any) -> str:
    """A JSON document on a line of its own."""
    return json.dumps(value, ensure_ascii=not _is_unicode(sys.stdout), allow_nan=False) + "\n"


def write_json_error(code: str, message: str, hint: str | None, details: Any) -> None:
    """The document that stands for a failure."""
    error = {"code": code, "message": message, "hint": hint, "details": details}
    _write(json_text({"version": 1, "error": error}))


def is_unicode(stream: TextIO) -> bool:
    """Whether the stream takes every character."""
    return _is_unicode(stream)


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _write(text: str) -> None:
    if not _is_unicode(sys.stdout):
        text = text.encode(sys.stdout.encoding or "ascii", "backslashreplace").decode()
    sys.stdout.write(text)
    sys.stdout.flush()


def _colors(wanted: Color, stream: TextIO) -> bool:
    if wanted != "auto":
        return wanted == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if any(os.environ.get(name, "0") not in {"", "0"} for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"
