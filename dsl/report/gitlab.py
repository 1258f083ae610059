"""``gitlab``: a code quality report, which GitLab shows in merge requests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from perdure.dsl.diagnostics import Diagnostic, Severity
from perdure.dsl.report.fingerprints import fingerprints
from perdure.dsl.source import Source

_SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor"}


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> str:
    """The report, for no diagnostics too."""
    names = fingerprints(diagnostics, sources)
    issues = [_issue(each, name) for each, name in zip(diagnostics, names, strict=True)]
    return json.dumps(issues, ensure_ascii=False, indent=2) + "\n"


def _issue(diagnostic: Diagnostic, fingerprint: str) -> dict[str, object]:
    start, end = diagnostic.span
    hint = f"; {diagnostic.hint}" if diagnostic.hint else ""
    return {
        "description": f"{diagnostic.code}: {diagnostic.message}{hint}",
        "check_name": diagnostic.code,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[diagnostic.severity],
        "location": {
            "path": diagnostic.file,
            "positions": {"begin": start._asdict(), "end": end._asdict()},
        },
    }
