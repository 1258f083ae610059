"""Where ``${ … }`` begins and ends in a text, seen without parsing the expression.

Used where YAML has already torn an expression apart, to say so.
"""

from __future__ import annotations


def unclosed(text: str) -> int | None:
    """The offset of a ``${`` whose closing brace is missing, or None. ``$${`` is plain text."""
    at = 0
    while (start := text.find("${", at)) >= 0:
        if start > at and text[start - 1] == "$":
            at = start + 2
            continue
        end = _end(text, start + 2)
        if end is None:
            return start
        at = end
    return None


def _end(text: str, at: int) -> int | None:
    """The offset after the brace that closes an expression; quotes hide braces."""
    depth, quote = 1, ""
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in "{}":
            depth += 1 if char == "{" else -1
            if not depth:
                return at + 1
        at += 1
    return None
