"""``full``: an excerpt with carets for each diagnostic, for people; ``concise``: a line each."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from perdure.dsl.diagnostics import Diagnostic, Related, Severity
from perdure.dsl.source import Position, Source, Span

SHOWN = 20
"""Most diagnostics of one file in ``full``."""
WIDTH = 100
"""Most columns of a source line; a longer one is cut around the caret."""
_LEAST_WIDTH = 20
_LEAD = 2

_RED, _YELLOW, _BLUE, _BOLD = "1;31", "1;33", "1;34", "1"
_COLORS = {Severity.ERROR: _RED, Severity.WARNING: _YELLOW}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a terminal wants it: in colours or not, in how many columns (None: as if there were no end)."""

    color: bool = False
    columns: int | None = None

    def paint(self, text: str, color: str) -> str:
        """Text in a colour, if colours are wanted."""
        return f"\x1b[{color}m{text}\x1b[0m" if self.color and text else text


def render_lines(diagnostics: Sequence[Diagnostic]) -> str:
    """A line for each, with its hint."""
    return "".join(
        f"{_headline(each, Look())}{f'; {each.hint}' if each.hint else ''}\n" for each in diagnostics
    )


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source], look: Look) -> str:
    """The first ``SHOWN`` of each file with excerpts, and how many there are; nothing for none."""
    if not diagnostics:
        return ""
    rows = []
    for file, group in groupby(diagnostics, key=lambda each: each.file):
        members = list(group)
        source = sources.get(file, Source(file, ""))
        for each in members[:SHOWN]:
            rows += block(each, source, look)
        if len(members) > SHOWN:
            rows.append(f"{file}: {len(members) - SHOWN} more not shown")
    return "\n".join([*rows, _summary(diagnostics)]) + "\n"


def block(diagnostic: Diagnostic, source: Source, look: Look) -> list[str]:
    """The rows of one diagnostic with the lines that it speaks of."""
    color = _COLORS[diagnostic.severity]
    notes = {diagnostic.span.start: ("^", diagnostic.span, "", color)}
    elsewhere = []
    for each in diagnostic.related:
        if each.file not in {"", diagnostic.file}:
            elsewhere.append(each)
        else:
            notes.setdefault(each.span.start, ("-", each.span, f" {each.message}", _BLUE))
    lines = _excerpt_lines(diagnostic, notes, source)
    gutter = len(str(max(lines, default=0)))
    width = WIDTH if look.columns is None else max(min(WIDTH, look.columns - gutter - 3), _LEAST_WIDTH)
    rows = [_headline(diagnostic, look)]
    bar = look.paint(" " * gutter + " |", _BLUE)
    if lines:
        rows.append(bar)
    for number in lines:
        marked = sorted(at for at in notes if at.line == number)
        text, shift = _cropped(clean(source.line(number)), marked, width)
        numbered = look.paint(f"{number:>{gutter}} |", _BLUE)
        rows.append(f"{numbered} {text}".rstrip())
        for at in marked:
            sign, span, label, its = notes[at]
            pad, signs = _underline(text, _moved(span, shift), sign)
            rows.append(f"{bar} {pad}{look.paint(signs + label, its)}")
    rows += [f"{'':{gutter}} = note: {_place(each)}: {each.message}" for each in elsewhere]
    if diagnostic.hint:
        rows.append(f"{'':{gutter}} = {look.paint('help:', _BOLD)} {diagnostic.hint}")
    return rows


def _headline(diagnostic: Diagnostic, look: Look) -> str:
    line, column = diagnostic.span.start
    level = look.paint(f"{diagnostic.severity}[{diagnostic.code}]", _COLORS[diagnostic.severity])
    place = look.paint(f"{diagnostic.file}:{line}:{column}:", _BOLD)
    return f"{place} {level} {diagnostic.message}"


def _place(related: Related) -> str:
    return f"{related.file}:{related.span.start.line}:{related.span.start.column}"


def _excerpt_lines(diagnostic: Diagnostic, notes: Mapping[Position, object], source: Source) -> list[int]:
    """The numbers of the lines to show: those with a mark, with a little of what leads to a lonely one."""
    at = diagnostic.span.start.line
    numbers = {each.line for each in notes}
    if not source.line(at):
        numbers.discard(at)
    elif len(numbers) == 1:
        numbers |= {line for line in range(max(at - _LEAD, 1), at) if source.line(line).strip()}
    return sorted(numbers)


def clean(line: str) -> str:
    """A line that cannot move or colour a terminal; one column stays one column."""
    return "".join(
        char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line
    )


def _cropped(line: str, marked: Sequence[Position], width: int) -> tuple[str, int]:
    """At most ``width`` characters of a line, around its first mark, and by how much columns move."""
    if len(line) <= width:
        return line, 0
    middle = marked[0].column - 1 if marked else 0
    start = min(max(middle - width // 2, 0), len(line) - width)
    end = start + width
    shown = ("…" if start else line[:1]) + line[start + 1 : end - 1] + ("…" if end < len(line) else line[-1:])
    return shown, start


def _moved(span: Span, by: int) -> Span:
    return Span(*(Position(at.line, max(at.column - by, 1)) for at in span))


def _underline(line: str, span: Span, sign: str) -> tuple[str, str]:
    """What stands before the signs below a line, and the signs."""
    before = line[: span.start.column - 1]
    end = span.end.column - 1 if span.end.line == span.start.line else len(line.rstrip())
    marked = line[span.start.column - 1 : end]
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in before)
    pad += " " * (span.start.column - 1 - len(before))
    return pad, sign * max(sum(map(_width, marked)), 1)


def _width(char: str) -> int:
    """The columns a terminal gives a character."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _summary(diagnostics: Sequence[Diagnostic]) -> str:
    files = len({each.file for each in diagnostics})
    return (
        f"Found {counted(diagnostics)} in {_count(files, 'file')}. See: perdure explain {diagnostics[0].code}"
    )


def counted(diagnostics: Sequence[Diagnostic]) -> str:
    """How many there are: ``2 errors and 1 warning``; empty for none."""
    errors = sum(each.severity is Severity.ERROR for each in diagnostics)
    counts = [(errors, "error"), (len(diagnostics) - errors, "warning")]
    return " and ".join(_count(number, what) for number, what in counts if number)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
