"""Text that would be an expression in another engine: ``{{ input.name }}``, ``$.name``, ``{input.name}``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from perdure.dsl.nodes import ListNode, MapNode, Node, ScalarNode, descendants

_SURE = MappingProxyType({"input": "input", "vars": "vars", "workflow": "workflow"})
_ROOTS = MappingProxyType(
    {
        **_SURE,
        **dict.fromkeys(("inputs", "params", "parameters"), "input"),
        "variables": "vars",
        **{name: name for name in ("item", "error", "event", "result", "env")},
        **dict.fromkeys(("steps", "outputs"), ""),
    }
)
"""Words that begin a path where templates are, and what they are here."""
_PATH = r"[A-Za-z_]\w*(?:\.\w+|\[[\w'\"-]{1,80}\])*"
_DOTTED = r"[a-z_]\w*(?:\.[A-Za-z_]\w*)+"
_BRACES = re.compile(r"\{\{-?(?P<inside>[^{}]{1,200})-?\}\}")
_SINGLE = re.compile(rf"(?<![\w$}}{{])\{{(?P<inside>{_DOTTED})\}}(?!\}})|\$\((?P<shell>{_PATH})\)")
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.]*")
_JSON_PATH = re.compile(rf"\$(?P<root>\.?)(?P<name>{_PATH})")
_PLAIN = re.compile(_DOTTED)
_FIRST = re.compile(r"\$?\.?(?P<first>[A-Za-z_]\w*)(?P<rest>.*)")


class ForeignTemplate(NamedTuple):
    """The stretch of a text, and what to write instead."""

    start: int
    end: int
    instead: str


def foreign_template(text: str, names: Mapping[str, str] = MappingProxyType({})) -> ForeignTemplate | None:
    """The first part of a text that was probably meant as an expression.

    ``names`` are those of the document, see ``names_in``. Braces count when they hold a name that the
    document has, or are the whole text: templates for other programs may well pass through a workflow.
    """
    sure, likely = (_SURE, names), (_ROOTS, names)
    # "order.created" may well be a topic, though a step is called order: only the engine's own names tell.
    if not text.startswith("workflow.") and _PLAIN.fullmatch(text) and (path := _instead(text, (_SURE,))):
        return ForeignTemplate(0, len(text), f"${{ {path} }}")
    if found := _JSON_PATH.fullmatch(text):
        path = _instead(found["name"], (_ROOTS,) if found["root"] else likely)
        if path or found["root"]:
            return ForeignTemplate(0, len(text), f"${{ {path or 'input.' + found['name']} }}")
    for found in _BRACES.finditer(text):
        inside = found["inside"].strip()
        path = _instead(inside, likely)
        whole = found.span() == (0, len(text)) and _PLAIN_NAME.fullmatch(inside)
        if path or whole:
            return ForeignTemplate(*found.span(), f"${{ {path or inside} }}")
    for found in _SINGLE.finditer(text):
        if path := _instead(found["inside"] or found["shell"], sure):
            return ForeignTemplate(*found.span(), f"${{ {path} }}")
    return None


def _instead(path: str, known: Iterable[Mapping[str, str]]) -> str | None:
    """A path as it is written here, when its first word is known."""
    found = _FIRST.fullmatch(path)
    if found is None:
        return None
    for names in known:
        if (root := names.get(found["first"])) is not None:
            return f"{root}{found['rest']}" if root else found["rest"].removeprefix(".")
    return None


def names_in(root: Node, kinds: frozenset[str]) -> Mapping[str, str]:
    """The names of a document's steps, items and variables, and how each is read; ``kinds`` make a step."""
    declared = root.get("vars") if isinstance(root, MapNode) else None
    variables = declared.entries if isinstance(declared, MapNode) else ()
    names = {entry.name: f"vars.{entry.name}" for entry in variables}
    for node in descendants(root):
        names |= {name: name for name in _named(node, kinds)}
    return names


def _named(node: Node, kinds: frozenset[str]) -> Iterator[str]:
    if isinstance(node, MapNode):
        each = node.get("each")
        if isinstance(each, ScalarNode) and isinstance(each.value, str):
            yield each.text
    elif isinstance(node, ListNode):
        for item in node.items:
            if isinstance(item, MapNode) and len(item.entries) == 1:
                step = item.entries[0]
                if isinstance(step.value, MapNode) and any(e.name in kinds for e in step.value.entries):
                    yield step.name
