"""The tree that the reader makes of a YAML document: three kinds of node, each with its place.

An alias is the very node it names, so a node may stand in several places of the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from perdure.dsl.source import Span, TextMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScalarNode:
    """Text, or what YAML's core schema reads in it.

    ``text`` is the scalar after unfolding and unescaping, ``value`` the same text or the number, truth
    value or null that a plain scalar stands for. ``text_map`` maps offsets of ``text`` to the file.
    """

    span: Span
    text: str
    value: str | int | float | bool | None
    text_map: TextMap


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListNode:
    """A YAML sequence."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """One key of a mapping and what stands there."""

    key: ScalarNode
    value: Node

    @property
    def name(self) -> str:
        """The key's text."""
        return self.key.text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapNode:
    """A YAML mapping; its keys are texts and each stands once."""

    span: Span
    entries: tuple[Entry, ...]
    _by_name: dict[str, Entry] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {entry.name: entry for entry in self.entries})

    def get(self, name: str) -> Node | None:
        """What stands under a key, or None."""
        entry = self._by_name.get(name)
        return entry.value if entry else None

    def entry(self, name: str) -> Entry | None:
        """The entry of a key, or None."""
        return self._by_name.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name


Node: TypeAlias = ScalarNode | ListNode | MapNode


def descendants(root: Node) -> Iterator[Node]:
    """A node and everything below it, keys left out; what aliases share comes once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, ListNode):
            waiting += reversed(node.items)
        elif isinstance(node, MapNode):
            waiting += reversed([entry.value for entry in node.entries])
