"""Text that would be an expression in another engine: ``{{ input.name }}``, ``$.input.name``."""

from __future__ import annotations

import re
from typing import NamedTuple

_ROOTS = "input|inputs|vars|variables|workflow|steps|outputs|params|parameters|item|error|event|result|env"
_MEANT = re.compile(rf"\$?\.?(?P<name>(?:{_ROOTS})\b.*)")
_BRACES = re.compile(r"\{\{-?(?P<inside>[^{}]{1,200})-?\}\}")
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.]*")
_PATH = re.compile(rf"\$\.?(?P<name>(?:{_ROOTS})\b[\w.\[\]'\"-]*)")


class ForeignTemplate(NamedTuple):
    """The stretch of a text, and what to write instead."""

    start: int
    end: int
    instead: str


def foreign_template(text: str) -> ForeignTemplate | None:
    """The first part of a text that was probably meant as an expression.

    Braces count when they hold a name that workflows have, or are the whole text: templates for other
    programs may well pass through a workflow.
    """
    if path := _PATH.fullmatch(text):
        return ForeignTemplate(0, len(text), f"${{ {path['name']} }}")
    for found in _BRACES.finditer(text):
        inside = found["inside"].strip()
        meant = _MEANT.fullmatch(inside)
        whole = found.span() == (0, len(text)) and _PLAIN_NAME.fullmatch(inside)
        if meant or whole:
            return ForeignTemplate(*found.span(), f"${{ {meant['name'] if meant else inside} }}")
    return None
