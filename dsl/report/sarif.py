"""``sarif``: SARIF 2.1.0, the exchange format that code scanning reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from urllib.parse import quote

from perdure.dsl.diagnostics import CODES, Diagnostic, Severity, severity_of
from perdure.dsl.explain import page
from perdure.dsl.report.fingerprints import fingerprints
from perdure.dsl.source import Source, Span

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning"}


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> str:
    """The log of one run, for no diagnostics too."""
    codes = sorted({each.code for each in diagnostics})
    names = fingerprints(diagnostics, sources)
    driver = {"name": "perdure", "version": version("perdure"), "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(each, codes.index(each.code), name) for each, name in zip(diagnostics, names, strict=True)
        ],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _rule(code: str) -> dict[str, object]:
    text = page(code).text
    return {
        "id": code,
        "shortDescription": {"text": CODES[code]},
        "fullDescription": {"text": text},
        "help": {"text": f"{text}\n\nperdure explain {code} shows examples."},
        "defaultConfiguration": {"level": _LEVELS[severity_of(code)]},
    }


def _result(diagnostic: Diagnostic, rule: int, fingerprint: str) -> dict[str, object]:
    hint = f"\n{diagnostic.hint}" if diagnostic.hint else ""
    related = [
        {
            "id": number,
            "message": {"text": each.message},
            **_location(each.file or diagnostic.file, each.span),
        }
        for number, each in enumerate(diagnostic.related)
    ]
    result: dict[str, object] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _LEVELS[diagnostic.severity],
        "message": {"text": diagnostic.message + hint},
        "locations": [_location(diagnostic.file, diagnostic.span)],
        "partialFingerprints": {"perdureLine/v1": fingerprint},
    }
    return {**result, "relatedLocations": related} if related else result


def _location(file: str, span: Span) -> dict[str, object]:
    region = {
        "startLine": span.start.line,
        "startColumn": span.start.column,
        "endLine": span.end.line,
        "endColumn": span.end.column,
    }
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": region}}


def _uri(file: str) -> str:
    path = quote(file, errors="replace")
    return f"file://{path}" if path.startswith("/") else path
