"""The clauses of a format string."""

from __future__ import annotations

import re

_CLAUSE = re.compile(r"%(?:(%)|(?:\.([0-9]{1,3}))?([sdfeboxX]))?", re.ASCII)
_MAX_PRECISION = 100


def clauses(template: str) -> list[tuple[str, str, int | None]]:
    """The template as (plain text before, verb, precision); the last has no verb.

    Raises ValueError for what is no clause.
    """
    parts: list[tuple[str, str, int | None]] = []
    plain, at = "", 0
    for match in _CLAUSE.finditer(template):
        plain += template[at : match.start()]
        at = match.end()
        percent, digits, verb = match.groups()
        if percent:
            plain += "%"
            continue
        if verb is None or (digits and verb not in "fe"):
            raise ValueError(
                f"unknown format clause {template[match.start() : match.start() + 2]!r}; use %% for a plain %"
            )
        precision = int(digits) if digits else None
        if precision is not None and precision > _MAX_PRECISION:
            raise ValueError(f"a precision is at most {_MAX_PRECISION}")
        parts.append((plain, verb, precision))
        plain = ""
    return [*parts, (plain + template[at:], "", None)]
