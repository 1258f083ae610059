"""``junit``: a test report, a suite for each file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as ET

from perdure.dsl.diagnostics import Diagnostic, Severity
from perdure.dsl.report.full import Look, block, clean
from perdure.dsl.source import Source


def render(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> str:
    """The report: an error is a test that failed, a warning one that passed and printed something."""
    files = dict.fromkeys([*sources, *(each.file for each in diagnostics)])
    root = ET.Element("testsuites", name="perdure validate")
    for file in files:
        members = [each for each in diagnostics if each.file == file]
        source = sources.get(file, Source(file, ""))
        errors = sum(each.severity is Severity.ERROR for each in members)
        counts = {"tests": str(len(members) or 1), "failures": str(errors), "errors": "0"}
        suite = ET.SubElement(root, "testsuite", {"name": _text(file), **counts})
        for each in members:
            _add(suite, each, source)
        if not members:
            ET.SubElement(suite, "testcase", name="perdure validate", classname=_text(file))
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _add(suite: ET.Element, diagnostic: Diagnostic, source: Source) -> None:
    line, column = diagnostic.span.start
    file = _text(diagnostic.file)
    name = f"{diagnostic.code} at {line}:{column}"
    case = ET.SubElement(suite, "testcase", name=name, classname=file, file=file, line=str(line))
    if diagnostic.severity is Severity.ERROR:
        said = ET.SubElement(case, "failure", message=_text(diagnostic.message), type=diagnostic.code)
    else:
        said = ET.SubElement(case, "system-out")
    said.text = "\n".join(_text(row) for row in block(diagnostic, source, Look()))


def _text(text: str) -> str:
    # XML has no way to write most control characters, not even escaped.
    return clean(text).replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
