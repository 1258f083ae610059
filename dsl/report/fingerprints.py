"""A name for each diagnostic that stays the same while the file changes elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256

from perdure.dsl.diagnostics import Diagnostic
from perdure.dsl.source import Source


def fingerprints(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source]) -> list[str]:
    """One a diagnostic, all different: of its file, code and line's text, never of the line's number."""
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for each in diagnostics:
        source = sources.get(each.file)
        line = source.line(each.span.start.line).strip() if source else ""
        place = (each.file, each.code, line or each.message)
        text = "\0".join([*place, str(seen[place])])
        seen[place] += 1
        found.append(sha256(text.encode("utf-8", "surrogatepass")).hexdigest())
    return found
