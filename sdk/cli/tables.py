"""Tables on a terminal: no id and no time is ever broken, and no cell comes back at the left edge."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from perdure.cli.console import STATUS_COLORS

_LEAST = 20
"""Columns that the last column has at least, which alone may be broken within a word."""


def drawn(titles: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> str:
    """The table within the terminal's width; where that is too narrow, one paragraph a row."""
    terminal = Terminal(no_color=not color, highlight=False)
    widths = fitted([titles, *rows], terminal.width)
    if widths is None:
        return "\n".join(_paragraph(row, terminal.width) for row in rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(title, width=width, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=STATUS_COLORS.get(cell, "")) for cell in row))
    with terminal.capture() as captured:
        terminal.print(table)
    return captured.get().rstrip("\n")


def fitted(rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """The width of each column, or None when they do not fit: columns give way from the last to the first."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    least = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    least[-1] = min(least[-1], _LEAST)
    over = sum(widths) + 3 * len(columns) - 1 - width  # between columns are two spaces and the box's own
    for index in reversed(range(len(widths))):
        given = min(max(over, 0), widths[index] - least[index])
        widths[index] -= given
        over -= given
    return widths if over <= 0 else None


def _paragraph(row: Sequence[str], width: int) -> str:
    rest = "  ".join(cell for cell in row[1:] if cell)
    below = fill(
        rest,
        max(width, _LEAST),
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return f"{row[0]}\n{below}"
