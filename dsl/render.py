"""Diagnostics as people, editors and programs want them: ``full``, ``concise`` and ``json``."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Literal, TypeAlias

from perdure.dsl.diagnostics import Diagnostic, Severity
from perdure.dsl.source import Position, Source, Span

Format: TypeAlias = Literal["full", "concise", "json"]

SHOWN = 20
"""Most diagnostics of one file in ``full``."""
WIDTH = 100
"""Most columns of a source line in ``full``; a longer one is cut around the caret."""
_LEAD = 2


def format_diagnostics(
    diagnostics: Iterable[Diagnostic], sources: Iterable[Source], format: Format = "full"
) -> str:
    """All diagnostics as one text that ends with a line end; empty for none, but always a document in JSON.

    ``sources`` are the files spoken of, for the excerpts of ``full``. Order is kept.
    """
    found = list(diagnostics)
    if format == "json":
        return _json(found)
    if format == "concise":
        return "".join(f"{_headline(each)}{f'; {each.hint}' if each.hint else ''}\n" for each in found)
    return _full(found, {source.name: source for source in sources})


def _headline(diagnostic: Diagnostic) -> str:
    line, column = diagnostic.span.start
    return f"{diagnostic.file}:{line}:{column}: {diagnostic.severity}[{diagnostic.code}] {diagnostic.message}"


# json -------------------------------------------------------------------------------------------


def _json(diagnostics: Sequence[Diagnostic]) -> str:
    document = {"version": 1, "diagnostics": [_object(each) for each in diagnostics]}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _object(diagnostic: Diagnostic) -> dict[str, object]:
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "kind": diagnostic.kind or None,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "file": diagnostic.file,
        **_range(diagnostic.span),
        "related": [{"message": each.message, **_range(each.span)} for each in diagnostic.related],
    }


def _range(span: Span) -> dict[str, object]:
    return {"start": span.start._asdict(), "end": span.end._asdict()}


# full -------------------------------------------------------------------------------------------


def _full(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> str:
    if not diagnostics:
        return ""
    blocks = []
    for file, group in groupby(diagnostics, key=lambda each: each.file):
        members = list(group)
        source = sources.get(file, Source(file, ""))
        blocks += [_block(each, source) for each in members[:SHOWN]]
        if len(members) > SHOWN:
            blocks.append(f"{file}: {len(members) - SHOWN} more not shown")
    return "\n".join([*blocks, _summary(diagnostics)]) + "\n"


def _block(diagnostic: Diagnostic, source: Source) -> str:
    """One diagnostic with the lines it speaks of."""
    notes = {diagnostic.span.start: ("^", diagnostic.span, "")}
    for each in diagnostic.related:
        notes.setdefault(each.span.start, ("-", each.span, f" {each.message}"))
    lines = _excerpt_lines(diagnostic, source)
    gutter = len(str(max(lines, default=0)))
    rows = [_headline(diagnostic)]
    if lines:
        rows.append(f"{'':{gutter}} |")
    for number in lines:
        marked = sorted(at for at in notes if at.line == number)
        text, shift = _cropped(_clean(source.line(number)), marked)
        rows.append(f"{number:>{gutter}} | {text}".rstrip())
        for at in marked:
            sign, span, label = notes[at]
            rows.append(f"{'':{gutter}} | {_underline(text, _moved(span, shift), sign)}{label}")
    if diagnostic.hint:
        rows.append(f"{'':{gutter}} = help: {diagnostic.hint}")
    return "\n".join(rows)


def _excerpt_lines(diagnostic: Diagnostic, source: Source) -> list[int]:
    """The numbers of the lines to show: those with a mark, with a little of what leads to a lonely one."""
    at = diagnostic.span.start.line
    numbers = {at, *(each.span.start.line for each in diagnostic.related)}
    if not source.line(at):
        numbers.discard(at)
    elif len(numbers) == 1:
        numbers |= {line for line in range(max(at - _LEAD, 1), at) if source.line(line).strip()}
    return sorted(numbers)


def _clean(line: str) -> str:
    # Terminals must not see control characters of a file; one column stays one column.
    return "".join(
        char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line
    )


def _cropped(line: str, marked: Sequence[Position]) -> tuple[str, int]:
    """At most ``WIDTH`` characters of a line, around its first mark, and by how much columns move."""
    if len(line) <= WIDTH:
        return line, 0
    middle = marked[0].column - 1 if marked else 0
    start = min(max(middle - WIDTH // 2, 0), len(line) - WIDTH)
    end = start + WIDTH
    shown = ("…" if start else line[:1]) + line[start + 1 : end - 1] + ("…" if end < len(line) else line[-1:])
    return shown, start


def _moved(span: Span, by: int) -> Span:
    return Span(*(Position(at.line, max(at.column - by, 1)) for at in span))


def _underline(line: str, span: Span, sign: str) -> str:
    before = line[: span.start.column - 1]
    end = span.end.column - 1 if span.end.line == span.start.line else len(line.rstrip())
    marked = line[span.start.column - 1 : end]
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in before)
    pad += " " * (span.start.column - 1 - len(before))
    return pad + sign * max(sum(map(_width, marked)), 1)


def _width(char: str) -> int:
    """The columns a terminal gives a character."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _summary(diagnostics: Sequence[Diagnostic]) -> str:
    errors = sum(each.severity is Severity.ERROR for each in diagnostics)
    counts = [_count(errors, "error")] if errors else []
    if len(diagnostics) > errors:
        counts.append(_count(len(diagnostics) - errors, "warning"))
    files = len({each.file for each in diagnostics})
    return (
        f"Found {' and '.join(counts)} in {_count(files, 'file')}. See: perdure explain {diagnostics[0].code}"
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
