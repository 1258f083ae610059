"""Diagnostics as people, editors and programs want them: a module for each format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, assert_never

from perdure.dsl.diagnostics import Diagnostic
from perdure.dsl.report import data, full, github, gitlab, junit, sarif
from perdure.dsl.report.full import Look
from perdure.dsl.source import Source

Format: TypeAlias = Literal["full", "concise", "json", "github", "gitlab", "sarif", "junit"]

PLAIN = Look()

__all__ = ["PLAIN", "Format", "Look", "format_diagnostics"]


def format_diagnostics(
    diagnostics: Iterable[Diagnostic], sources: Iterable[Source], format: Format = "full", look: Look = PLAIN
) -> str:
    """All diagnostics as one text that ends with a line end.

    ``full``, ``concise`` and ``github`` are empty for none, the others are a document always. ``sources`` are
    the files spoken of, for excerpts and fingerprints; order is kept. ``look`` is for ``full`` alone.
    """
    found = list(diagnostics)
    files = {source.name: source for source in sources}
    match format:
        case "full":
            return full.render(found, files, look)
        case "concise":
            return full.render_lines(found)
        case "json":
            return data.render(found)
        case "github":
            return github.render(found)
        case "gitlab":
            return gitlab.render(found, files)
        case "sarif":
            return sarif.render(found, files)
        case "junit":
            return junit.render(found, files)
        case _:
            assert_never(format)
