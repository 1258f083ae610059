"""``github``: workflow commands that GitHub Actions shows as annotations of a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.dsl.diagnostics import Diagnostic, Severity

MOST = 10
"""Annotations of one level that GitHub shows of a step; it drops the others without a word."""

_LEVELS = ((Severity.ERROR, "error"), (Severity.WARNING, "warning"))


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """Errors first, at most ``MOST`` of each level, then how many were left out."""
    rows, left_out = [], 0
    for severity, command in _LEVELS:
        members = [each for each in diagnostics if each.severity is severity]
        rows += [_annotation(command, each) for each in members[:MOST]]
        left_out += len(members[MOST:])
    if left_out:
        rows.append(f"::notice title=perdure::{left_out} more not shown; 'perdure validate' shows all")
    return "".join(f"{row}\n" for row in rows)


def _annotation(command: str, diagnostic: Diagnostic) -> str:
    start, end = diagnostic.span
    properties = {
        "file": diagnostic.file,
        "line": start.line,
        "endLine": end.line,
        "col": start.column,
        "endColumn": end.column,
        "title": diagnostic.code,
    }
    if end.line != start.line:  # GitHub takes columns of one line only
        del properties["col"], properties["endColumn"]
    said = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{command} {said}::{_escaped(_text(diagnostic))}"


def _text(diagnostic: Diagnostic) -> str:
    """The message with what an annotation cannot point at in lines below it."""
    lines = [diagnostic.message]
    for each in diagnostic.related:
        file = each.file or diagnostic.file
        lines.append(f"{file}:{each.span.start.line}:{each.span.start.column}: {each.message}")
    if diagnostic.hint:
        lines.append(f"help: {diagnostic.hint}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
