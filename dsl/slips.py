"""Slips of typing that YAML reads as something else: keys not indented, a blank left out after a colon."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

from perdure.dsl.nodes import Entry, MapNode, Node, ScalarNode

_JOINED = re.compile(r"(?P<key>[A-Za-z_]\w*):(?P<value>\S.*)", re.DOTALL)


def is_empty(node: Node) -> bool:
    """Whether nothing at all is written after a key."""
    return isinstance(node, ScalarNode) and node.value is None and not node.text


def not_indented(node: MapNode, empty: Entry, known: Iterable[str]) -> Sequence[Entry]:
    """The entries right after ``empty`` whose keys do not belong where they stand."""
    after = node.entries[node.entries.index(empty) + 1 :]
    return tuple(takewhile(lambda entry: entry.name not in known, after)) if is_empty(empty.value) else ()


def without_blank(entry: Entry) -> str | None:
    """``call: Ping`` for the key ``call:Ping`` that has no value."""
    return spaced(entry.name) if is_empty(entry.value) else None


def spaced(text: str) -> str | None:
    """``call: Ping`` for the text ``call:Ping``."""
    found = _JOINED.fullmatch(text)
    return f"{found['key']}: {found['value']}" if found and not found["value"].startswith("//") else None
