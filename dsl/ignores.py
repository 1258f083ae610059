"""``# perdure: ignore[PD401]``: comments that accept what would be reported.

A comment at the end of a line speaks of that line, one that has its line to itself of the next line that is
not a comment. Only what YAML takes for a comment counts: never a ``#`` inside a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from perdure.dsl.diagnostics import CODES, IGNORABLE, Collector, Severity, one_of, quote, severity_of
from perdure.dsl.scalars import Lines
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest

_COMMENT = re.compile(
    r"(?<!\S)#[ \t]*(?:perdure[ \t]*:[ \t]*(?:ignore|noqa|disable|suppress|nolint)\b"
    r"|perdure[ \t]*:?[ \t]*[\w-]{1,20}[ \t]*[\[(:=]?[ \t]*PD\d|noqa:[ \t]*PD\d)[^\n]*",
    re.IGNORECASE,
)
"""What is meant to ignore something, in the habits of other tools too."""
_FORM = re.compile(r"# perdure: ignore\[([^\]\n]*)\]")
_CODE_LINE = re.compile(r"\n[ \t]*(?=[^\s#])")
_HINT = "write '# perdure: ignore[PD401]', several codes with commas between them"


def find_ignores(text: str, texts: Sequence[tuple[int, int]], diagnostics: Collector) -> None:
    """Gives the collector the ignores of a file, where ``texts`` are the stretches that are no comments.

    Notes a comment that cannot be read, and a code that cannot be ignored.
    """
    if "perdure" not in text.lower():
        return
    lines = Lines(text)
    for match, line in _comments(text, texts, lines):
        form = _FORM.match(match[0])
        if form is None:
            span = Span(lines.position(match.start()), lines.position(match.start() + len(match[0].rstrip())))
            diagnostics.add("PD903", "this comment ignores nothing", span, hint=_HINT)
            continue
        offset = match.start() + form.start(1)
        for part in form[1].split(","):
            code = part.strip()
            at = offset + len(part) - len(part.lstrip())
            _accept(code, line, Span(lines.position(at), lines.position(at + max(len(code), 1))), diagnostics)
            offset += len(part) + 1
    diagnostics.accept()


def report_unused(diagnostics: Collector) -> None:
    """Notes each code that is ignored in vain, once nothing is left that kept checks from running."""
    if diagnostics.errors:
        return
    for code, span in diagnostics.ignores.unused():
        diagnostics.add(
            "PD901", f"there is no {code} here to ignore", span, hint="take it out of the comment"
        )


def _comments(
    text: str, texts: Sequence[tuple[int, int]], lines: Lines
) -> Iterator[tuple[re.Match[str], int]]:
    """Each comment that seems to ignore something, and the number of the line that it speaks of."""
    inside = iter(texts)
    here = next(inside, None)
    next_code = 0
    for match in _COMMENT.finditer(text):
        start = match.start()
        while here is not None and here[1] <= start:
            here = next(inside, None)
        if here is not None and here[0] <= start:
            continue
        at = start
        if not text[text.rfind("\n", 0, start) + 1 : start].strip():
            if next_code <= start:  # many comments in a row look for it once
                found = _CODE_LINE.search(text, start)
                next_code = found.end() if found else len(text)
            at = next_code
        yield match, lines.position(at).line


def _accept(code: str, line: int, span: Span, diagnostics: Collector) -> None:
    if code not in CODES:
        # A guess takes time, and of very many nobody would see it.
        near = None if diagnostics.leaves_out("PD903") else suggest(code.upper(), CODES)
        hint = f"did you mean {near}?" if near else "perdure explain lists the codes"
        diagnostics.add("PD903", f"there is no code {quote(code)}", span, hint=hint)
    elif severity_of(code) is Severity.ERROR and code not in IGNORABLE:
        message = f"{code} cannot be ignored: the workflow could not run"
        hint = f"of errors only {one_of(IGNORABLE)} can be ignored, of warnings all"
        diagnostics.add("PD902", message, span, hint=hint)
    else:
        diagnostics.ignores.accept(code, line, span)
