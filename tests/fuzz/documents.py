"""Mutated documents, and what must hold for each of them."""

from __future__ import annotations

import json
import random
import re
from functools import cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from perdure.compiler.build import build
from perdure.dsl import Diagnostic, Severity, Source, format_diagnostics, load_bytes
from perdure.dsl.schema import schema
from tests.checkout import ROOT
from tests.fuzz.texts import TextMutator

Tree = Any


@cache
def seeds() -> tuple[str, ...]:
    """The documents that are mutated: the corpus, right and wrong, and the examples."""
    found = [*ROOT.glob("tests/corpus/*/*.yaml"), *ROOT.glob("workflows/*/*.yaml")]
    return tuple(path.read_text("utf-8") for path in sorted(found))


@cache
def words() -> tuple[str, ...]:
    """What stands in documents: keys, kinds, values."""
    keys = {key for part in schema()["definitions"].values() for key in part.get("properties", {})}
    values = "a item perdure/1 1.0.0 5s never off null true yes ~ [] {} ${input} ${vars.a} $ref array"
    return (*sorted(keys), *values.split(), "${ a ? b : c }", "x ${ input.x } y", "${ xs.map(x, x) }")


@cache
def trees() -> tuple[Tree, ...]:
    """The seeds as data, where they can be read. Those with anchors stay texts: some of them are bombs."""
    found = (_tree(text) for text in seeds() if not re.search(r"&\w", text))
    return tuple(tree for tree in found if isinstance(tree, dict))


def _tree(text: str) -> Tree:
    try:
        return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))
    except (YAMLError, ValueError, TypeError):
        return None


def document(seed: int, number: int) -> bytes:
    """The mutated document of that number; the same every time."""
    source = random.Random(f"document {seed} {number}")
    mutator = TextMutator(source, words())
    text, other = source.choice(seeds()), source.choice(seeds())
    if source.random() < 0.25:
        text = _changed_tree(source)
    for _ in range(source.choice((0, 1, 1, 2, 3)) if text.startswith("{") else source.choice((1, 1, 2, 4))):
        text = mutator.change(text, other)
    data = text.encode()
    if data and source.random() < 0.05:
        at = source.randrange(len(data))
        data = data[:at] + bytes([source.randrange(256)]) + data[at + source.randrange(2) :]
    return data


def _changed_tree(source: random.Random) -> str:
    """A document with nodes dropped, doubled, or replaced by nodes of other documents."""
    tree = json.loads(json.dumps(source.choice(trees())))
    for _ in range(source.choice((1, 1, 2, 3))):
        holders = [each for each in _nodes(tree) if each]
        if not holders:
            break
        holder = source.choice(holders)
        put = source.choice(_nodes(source.choice(trees()), scalars=True))
        if source.random() < 0.3:
            put = source.choice((None, True, 0, -1, 1.5, "", "a", [], {}, 2**63, source.choice(words())))
        _change(source, holder, json.loads(json.dumps(put)))
    return json.dumps(tree, ensure_ascii=source.random() < 0.5, indent=source.choice((None, 1)))


def _change(source: random.Random, holder: Tree, put: Tree) -> None:
    place = source.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match source.randrange(4):
        case 0:
            del holder[place]
        case 1 if isinstance(holder, dict):
            holder[source.choice(words())] = holder[place]
        case 2 if isinstance(holder, dict):
            holder[source.choice(words())] = put
        case 1 | 2:
            holder.insert(source.randint(0, len(holder)), put)
        case _:
            holder[place] = put


def _nodes(tree: Tree, *, scalars: bool = False) -> list[Tree]:
    """Every mapping and sequence of a tree, the tree itself first; with ``scalars``, everything."""
    found, waiting = [], [tree]
    while waiting:
        node = waiting.pop()
        if scalars or isinstance(node, dict | list):
            found.append(node)
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return found


def examine(data: bytes) -> str | None:
    """What is wrong with how a document is answered, or None; any exception is wrong too."""
    try:
        source = Source("case.yaml", data.decode())
    except UnicodeDecodeError:
        return None if load_bytes("case.yaml", data).diagnostics else "bytes that are no text pass"
    built = build(source)
    for each in built.diagnostics:
        if (outside := _outside(each, source.text)) is not None:
            return outside
    format_diagnostics(built.diagnostics, [source])
    if any(each.severity is Severity.ERROR for each in built.diagnostics):
        return None
    if built.workflows or built.entities or built.documents:
        return None
    return "a document without errors compiles to nothing"


def _outside(found: Diagnostic, text: str) -> str | None:
    lines = text.removeprefix("\ufeff").split("\n")
    for span in (found.span, *(related.span for related in found.related)):
        for line, column in (span.start, span.end):
            if not (1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 2):
                return f"{found.code} points outside of the text, at {line}:{column}: {found.message}"
    return None
