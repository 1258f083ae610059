"""The path that was probably meant by one that is not there."""

from __future__ import annotations

from collections.abc import Iterable

from perdure.dsl.suggest import suggest

_MOST_PARTS = 12
"""Paths of more parts are none of ours."""


def near_path(path: str, known: Iterable[str], prefix: str) -> str | None:
    """The nearest of the known paths, under ``prefix``; where that has ``{name}``, with what the given has.

    The prefix may be missing, or half of it, and parts may be misspelt: the fewer of them the better.
    """
    given = path.strip("/").split("/")
    while given and given[0] in prefix.split("/"):
        del given[0]
    if not 0 < len(given) <= _MOST_PARTS:
        return None
    found = [each for each in (_filled(template, given) for template in known) if each is not None]
    return prefix + min(found)[1] if found else None


def _filled(template: str, given: list[str]) -> tuple[int, str] | None:
    """How many parts had to be changed for this path, and the path; None if it is another one."""
    parts, changed = [], 0
    wanted = template.strip("/").split("/")
    if len(wanted) != len(given):
        return None
    for part, there in zip(wanted, given, strict=True):
        if part.startswith("{") and part.endswith("}") and there:
            parts.append(there)
        elif part == there or suggest(there, [part]) is not None:
            parts.append(part)
            changed += part != there
        else:
            return None
    return changed, "".join(f"/{each}" for each in parts)
