"""``json``: everything that a diagnostic has, in one document."""

from __future__ import annotations

import json
from collections.abc import Sequence

from perdure.dsl.diagnostics import Diagnostic
from perdure.dsl.source import Span

VERSION = 1
"""Goes up when a key changes its meaning or goes; new keys may come at any time."""


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """The document, for no diagnostics too."""
    document = {"version": VERSION, "diagnostics": [_object(each) for each in diagnostics]}
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
        "related": [
            {"message": each.message, "file": each.file or diagnostic.file, **_range(each.span)}
            for each in diagnostic.related
        ],
    }


def _range(span: Span) -> dict[str, object]:
    return {"start": span.start._asdict(), "end": span.end._asdict()}
