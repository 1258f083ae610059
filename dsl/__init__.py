"""The language: YAML text to checked documents, with diagnostics that know their place.

``load`` does everything; it never raises for what an author wrote.
"""

from __future__ import annotations

from perdure.dsl.diagnostics import Diagnostic, Severity
from perdure.dsl.digest import document_digest
from perdure.dsl.load import Document, Loaded, load, load_bytes
from perdure.dsl.report import format_diagnostics
from perdure.dsl.rules.activities import Signature, check_activities
from perdure.dsl.source import Source

__all__ = [
    "Diagnostic",
    "Document",
    "Loaded",
    "Severity",
    "Signature",
    "Source",
    "check_activities",
    "document_digest",
    "format_diagnostics",
    "load",
    "load_bytes",
]
