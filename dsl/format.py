"""Workflow files in one layout: text to text, with every comment kept and every meaning the same.

``schemas/workflow-v1.schema.json`` says which mappings have keys of the language, whose order is
canonical, and where durations and expressions stand; everything else is an author's data and keeps its
order. Values under an anchor are data too: an alias may use them elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perdure.dsl.diagnostics import Collector, Diagnostic
from perdure.dsl.digest import document_digest
from perdure.dsl.duration import format_duration, parse_duration
from perdure.dsl.embedding import unclosed
from perdure.dsl.expr.template import spaced
from perdure.dsl.forms import check_syntax
from perdure.dsl.load import load
from perdure.dsl.nodes import ListNode, MapNode, Node, ScalarNode
from perdure.dsl.printer import print_documents
from perdure.dsl.reader import read
from perdure.dsl.scalars import resolve
from perdure.dsl.schema import check_structure, schema
from perdure.dsl.source import Source
from perdure.dsl.written import Alias, Collection, Entry, Scalar, Written, written

KEYS_OF_STEPS = (
    "op version instance_id start_at with if_exists on_parent_close each at key width limit checkpoint_every"
    " correlate on_failure until count chunk keep catch finally compensation timeout deadline heartbeat retry"
    " idempotency_key queue priority fairness_key concurrency on_timeout compensate then do else output"
    " summary tags"
).split()
"""The order of keys in a step, after the one that makes it a step; ``if`` and ``on`` stand before that."""

_VARIABLE = {"schema", "initial"}
_EXPRESSIVE = frozenset({"value", "expression", "duration", "count"})
_PLAIN = re.compile(r"[A-Za-z_$/](?:[ -~\xa1-\ud7ff\ue000-\ufefe\U00010000-\U0010ffff]*[!-~\xa1-\ud7ff])?")
_ENDED = re.compile(r": | #|:$")
_BRACKETS = re.compile(r"[,\[\]{}:]")
_WHOLE = re.compile(r"\$\{(?:(?!\$\{).)*\}")
_YAML_1_1 = frozenset("y n yes no on off".split())
"""Text in YAML 1.2, truth in 1.1: quotes stay, for other readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formatted:
    """The text in the one layout; the very same text, and what is wrong, when it has errors of syntax."""

    text: str
    diagnostics: tuple[Diagnostic, ...] = ()


class MeaningChanged(Exception):
    """Formatting would have changed what a file means. A mistake of the formatter; nothing was changed."""


def format_source(source: Source) -> Formatted:
    """Format a file. Raises ``MeaningChanged`` rather than return a text that means something else."""
    before = Source(source.name, _unix(source.text))
    wrong = _syntax(source)
    if wrong:
        return Formatted(text=source.text, diagnostics=wrong)
    documents = written(before.text)
    for document in documents:
        _arrange(document.root, schema(), in_brackets=False)
    after = print_documents(documents)
    if after != before.text:
        compare(before, Source(source.name, after))
    crlf = "\r\n" in source.text.partition("\n")[0] + "\n"
    return Formatted(text=after.replace("\n", "\r\n") if crlf else after)


def _unix(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _syntax(source: Source) -> tuple[Diagnostic, ...]:
    """What is wrong with the YAML, the structure or the syntax of expressions, if anything is."""
    diagnostics = Collector(source.name)
    for each in read(Source(source.name, source.text.removeprefix("\ufeff")), diagnostics):
        if each.sound and check_structure(each.root, diagnostics):
            check_syntax(each.root, diagnostics)
    return diagnostics.diagnostics() if diagnostics.errors else ()


# Arranging ------------------------------------------------------------------------------------


def _arrange(value: Written, part: Mapping[str, Any], *, in_brackets: bool) -> None:
    """Bring a value and all below it into order, where ``part`` of the schema says what it is."""
    if isinstance(value, Alias):
        return
    part = {} if value.anchor else _branch(part, value)
    if isinstance(value, Scalar):
        _rewrite(value, part.get("x-perdure-form"), in_brackets=in_brackets)
        return
    if part.get("items") == {"$ref": "#/definitions/item"} and not in_brackets:
        _open(value)
    in_brackets = in_brackets or value.inline
    for entry in value.entries:
        if isinstance(entry.key, Scalar):
            _rewrite(entry.key, None, in_brackets=in_brackets)
        _arrange(entry.value, _below(part, entry), in_brackets=in_brackets)
        _follow(entry)
    _sort(value, part)


def _open(block: Collection) -> None:
    """Write a block of steps without brackets, nor braces around its items."""
    block.inline = False
    for entry in block.entries:
        if isinstance(entry.value, Collection) and entry.value.anchor is None:
            entry.value.inline = False


def _follow(entry: Entry) -> None:
    """What stood after a closing bracket that goes: beside the last line, if it is the only one, or below."""
    value = entry.value
    if not isinstance(value, Collection) or value.inline or value.end is None or not value.entries:
        return
    after = [each for each in entry.beside if each.offset > value.end]
    line = _only_line(value)
    if value.mapping and (entry.key is not None or line is None):
        return  # beside the name, or above the item
    entry.beside = entry.beside[: len(entry.beside) - len(after)]
    if line is None:
        value.foot += after
    else:
        line.beside += after


def _only_line(block: Collection) -> Entry | None:
    """The entry at the end of a block that is a single line without comments; None of another block."""
    (entry, *more), value = block.entries, block.entries[0].value
    if more or block.foot or entry.above or entry.beside:
        return None
    if isinstance(value, Scalar):
        return None if "\n" in value.raw else entry
    if isinstance(value, Alias) or value.inline or not value.entries:
        return entry
    return _only_line(value) if entry.key is None and value.anchor is None else None


def _resolve(part: Any) -> Mapping[str, Any]:
    while isinstance(part, Mapping) and "$ref" in part:
        part = schema()["definitions"][part["$ref"].rpartition("/")[2]]
    return part if isinstance(part, Mapping) else {}


def _branch(part: Mapping[str, Any], value: Scalar | Collection) -> Mapping[str, Any]:
    """What the schema says of this value: of a union, the branch that is meant."""
    part = _resolve(part)
    if "properties" in part or "anyOf" not in part or "x-perdure-form" in part:
        return part
    branches = [_resolve(each) for each in part["anyOf"]]
    for each in sorted(branches, key=lambda branch: "properties" not in branch):
        if "anyOf" in each and "properties" not in each:
            found = _branch(each, value)
            if found:
                return found
        elif _fits(each, value):
            return each
    return {}


def _fits(part: Mapping[str, Any], value: Scalar | Collection) -> bool:
    if isinstance(value, Scalar):
        return "x-perdure-form" in part or part.get("type") in ("string", "integer")
    if not value.mapping:
        return part.get("type") == "array" or "x-perdure-form" in part
    if "properties" not in part:
        return part.get("type") == "object" or "x-perdure-form" in part
    keys, known = {_name(entry) for entry in value.entries}, part["properties"]
    kind = known.get("kind", {}).get("const", "workflow")
    return (
        keys <= known.keys()
        and keys >= set(part.get("required", ()))
        and ("kind" not in known or _said(value, "kind") in (kind, None if kind == "workflow" else kind))
    )


def _said(value: Collection, key: str) -> str | None:
    found = (each.value for each in value.entries if _name(each) == key)
    return next((each.value for each in found if isinstance(each, Scalar)), None)


def _below(part: Mapping[str, Any], entry: Entry) -> Mapping[str, Any]:
    """What the schema says of an entry's value; in a value everything is one."""
    if part.get("x-perdure-form") == "value":
        return part
    if entry.key is None:
        return _resolve(part.get("items", {}))
    name = _name(entry)
    if name in part.get("properties", {}):
        return _resolve(part["properties"][name])
    for pattern, found in part.get("patternProperties", {}).items():
        if re.search(pattern, name):
            return _resolve(found)
    return _resolve(part.get("additionalProperties", {}))


def _name(entry: Entry) -> str:
    return entry.key.value if isinstance(entry.key, Scalar) else ""


def _sort(value: Collection, part: Mapping[str, Any]) -> None:
    """The canonical order, unless an alias would come before its anchor."""
    if "x-perdure-kind" in part:
        order = ["if", "on", part["x-perdure-kind"], *KEYS_OF_STEPS]
    elif "properties" in part:
        order = ["if", *part["properties"]]
    elif part.get("x-perdure-form") == "variable" and {_name(each) for each in value.entries} == _VARIABLE:
        order = ["schema", "initial"]
    else:
        return
    arranged = sorted(
        value.entries, key=lambda each: order.index(_name(each)) if _name(each) in order else -1
    )
    if _names(arranged) == _names(value.entries):
        if arranged[:1] != value.entries[:1]:
            value.entries[0].blank = False
        value.entries = arranged


def _names(entries: list[Entry]) -> list[str]:
    """Anchors and aliases in the order of the text."""
    found: list[str] = []
    for entry in entries:
        for each in (entry.key, entry.value):
            match each:
                case Alias(name=name):
                    found.append(f"*{name}")
                case Scalar(anchor=str(anchor)):
                    found.append(f"&{anchor}")
                case Collection(anchor=anchor, entries=below):
                    found += [f"&{anchor}"] if anchor else []
                    found += _names(below)
                case _:
                    pass
    return found


# Scalars --------------------------------------------------------------------------------------


def _rewrite(scalar: Scalar, form: str | None, *, in_brackets: bool) -> None:
    """Spaces in ``${ }``, durations of ISO 8601, and quotes that are not needed."""
    if scalar.style in ("|", ">") or "\n" in scalar.raw:
        return
    quote = scalar.style or ""
    if quote and scalar.raw != quote + scalar.value + quote:
        return  # there are escapes, which somebody wanted
    text = spaced(scalar.value) if form in _EXPRESSIVE and "${" in scalar.value else scalar.value
    plain = _is_plain(text, in_brackets=in_brackets)
    if form == "duration" and (duration := _duration(text)):
        text, plain = duration, True
    if not quote or plain:
        scalar.raw, scalar.style = text, None
    else:
        scalar.raw = quote + text + quote


def _duration(text: str) -> str | None:
    """A duration without need of quotes, in the units of the language; None for other text."""
    try:
        amount = parse_duration(text)
    except ValueError:
        return None
    return format_duration(amount) if text.startswith("P") else text


def _is_plain(text: str, *, in_brackets: bool) -> bool:
    """Whether text is itself without quotes, to this and other readers of YAML.

    Text around expressions keeps its quotes: they show where it begins and ends.
    """
    return (
        _PLAIN.fullmatch(text) is not None
        and _ENDED.search(text) is None
        and (not in_brackets or _BRACKETS.search(text) is None)
        and text.lower() not in _YAML_1_1
        and resolve(text).value == text
        and unclosed(text) is None
        and ("${" not in text or _WHOLE.fullmatch(text) is not None)
    )


# Safety ---------------------------------------------------------------------------------------


def compare(before: Source, after: Source) -> None:
    """Raises ``MeaningChanged`` unless two texts mean the same and have the same comments."""
    loaded = load(before), load(after)
    codes = [Counter(each.code for each in found.diagnostics) for found in loaded]
    digests = [[document_digest(each) for each in found.documents] for found in loaded]
    if codes[0] != codes[1] or digests[0] != digests[1]:
        raise MeaningChanged("the meaning would change")
    if not loaded[0].ok and _values(before) != _values(after):  # what is wrong has no digest
        raise MeaningChanged("a value would change")
    if _comments(before.text) != _comments(after.text):
        raise MeaningChanged("a comment would be lost")


def _values(source: Source) -> list[Any]:
    return [_plain(each.root) for each in read(source, Collector(source.name))]


def _plain(node: Node) -> Any:
    """A node as data, the order of keys left out, durations and spaces in expressions made equal."""
    match node:
        case ScalarNode(value=str(text)):
            if text.startswith("P"):
                text = _duration(text) or text
            return re.sub(r" *(\$\{|\}) *", r"\1", text)
        case ScalarNode():
            return (type(node.value), node.value)
        case ListNode():
            return [_plain(item) for item in node.items]
        case MapNode():
            return {entry.name: _plain(entry.value) for entry in node.entries}


def _comments(text: str) -> Counter[str]:
    found: Counter[str] = Counter()

    def note(value: Written) -> None:
        if isinstance(value, Collection):
            for entry in value.entries:
                found.update(each.text for each in (*entry.above, *entry.beside))
                note(entry.value)
            found.update(each.text for each in value.foot)

    for document in written(text):
        found.update(each.text for each in (*document.before, *document.head))
        note(document.root)
    return found
