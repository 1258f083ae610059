"""Mutated JSON: trees with nodes dropped, doubled and replaced, and texts with damaged characters."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

from tests.fuzz.texts import TextMutator

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, "", "a", [], {}, [[]], {"": None}, 2**53 + 1, 2**63, 10**40,
    -(2**63) - 1),
    *("\x00", "é😀", "\ud800", "\u2028", "x" * 5000, "sha256:" + "a" * 64, "2026-01-01T00:00:00Z", "PT1H",
    "30s"),
)  # fmt: skip
"""Values that stand where others are expected."""


def changed(source: random.Random, tree: Any, parts: Sequence[Any], words: Sequence[str]) -> Any:
    """A copy of a tree with some of its nodes changed; ``parts`` of others are put in."""
    tree = json.loads(json.dumps(tree))
    for _ in range(source.choice((1, 1, 2, 3))):
        holders = [each for each in nodes(tree) if each and isinstance(each, dict | list)]
        put = copy.deepcopy(source.choice(ODD if source.random() < 0.5 else parts))
        if not holders or source.random() < 0.02:
            return put
        _change(source, source.choice(holders), put, words)
    return tree


def _change(source: random.Random, holder: Any, put: Any, words: Sequence[str]) -> None:
    place = source.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match source.randrange(5):
        case 0:
            del holder[place]
        case 1 if isinstance(holder, dict):
            holder[source.choice(words)] = holder[place]
        case 2 if isinstance(holder, dict):
            holder[source.choice(words)] = put
        case 1 | 2:
            holder.insert(source.randint(0, len(holder)), put)
        case 3 if isinstance(holder[place], int | float | str):
            holder[place] = _near(source, holder[place])
        case _:
            holder[place] = put


def _near(source: random.Random, value: Any) -> Any:
    """A value that differs a little."""
    if isinstance(value, str):
        return TextMutator(source, ("a", "0", "-")).character(value)
    return source.choice((value + 1, value - 1, -value, value * 2**40, float(value), str(value)))


def nodes(tree: Any) -> list[Any]:
    """Every value in a tree, the tree itself first."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return found


def as_text(source: random.Random, tree: Any) -> str:
    """JSON, as different writers write it."""
    return json.dumps(tree, ensure_ascii=source.random() < 0.5, indent=source.choice((None, None, 1)))


def damaged(source: random.Random, data: bytes) -> bytes:
    """Bytes with some of them changed, left out or put in."""
    for _ in range(source.choice((1, 1, 2, 4))):
        at = source.randrange(len(data) + 1)
        put = source.choice((b"", bytes([source.randrange(256)]), b"\xff\xfe", b"\xed\xa0\x80", b"\\ud800"))
        data = data[:at] + put + data[at + source.randrange(3) :]
    return data
