"""Checks a document's structure against ``schemas/workflow-v1.schema.json``, one error for one mistake.

The schema is the one source of what is allowed; this walker reads it, and never lets an ``anyOf`` fail
as such: a step's branch is the one of its kind key, other unions are told apart by the type of the value.
It understands the part of draft-07 that the file uses, and these keywords of its own:

* ``x-perdure-kind``: the key that makes a mapping this kind of step or statement;
* ``x-perdure-form``: a little language (durations, expressions, JSON Schemas), left to ``decode``;
* ``x-perdure-missing``: code, message and hint for a missing key;
* ``x-perdure-expected``: what a ``pattern`` means, in words;
* ``x-perdure-instead``: what to write in place of a value of the wrong type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeAlias

from perdure.dsl import foreign, slips
from perdure.dsl.diagnostics import Collector, Related, one_of, quote
from perdure.dsl.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from perdure.dsl.source import Span
from perdure.dsl.suggest import suggest

Schema: TypeAlias = Mapping[str, Any]

_TYPES = MappingProxyType(
    {
        "object": "a mapping",
        "array": "a list",
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "nothing",
    }
)
_OWNERS = MappingProxyType(
    {"catch": "try", "finally": "try", "on_timeout": "wait_for_event", "compensation": "saga"}
)
"""Keys that are easily indented too deep, and the kind of step that each belongs to."""
_HARMLESS = frozenset({"PD401", "PD404"})
"""Mistakes after which the rest of the document can still be understood."""


@cache
def schema() -> Schema:
    """The JSON Schema of all documents."""
    text = resources.files("perdure.schemas").joinpath("workflow-v1.schema.json").read_text("utf-8")
    loaded: Schema = json.loads(text)
    return loaded


def check_structure(root: Node, diagnostics: Collector) -> bool:
    """Whether a document has the structure of a workflow; says what is wrong otherwise.

    When nothing more is kept the walk ends early, and what was not seen is not taken for right.
    """
    walker = _Walker(diagnostics)
    walker.document(root)
    return not (walker.harmed or diagnostics.full)


def kinds(union: str) -> tuple[str, ...]:
    """The kinds of ``task`` or ``item``: the keys that make a step or a statement."""
    return tuple(_branches(union))


@cache
def _branches(union: str) -> Mapping[str, Schema]:
    """The same, of a definition."""
    return _kinds_of(schema()["definitions"][union])


def _kinds_of(part: Schema) -> Mapping[str, Schema]:
    """The branches of a union that have a kind, by it."""
    branches = map(_resolve, part["anyOf"])
    return {branch["x-perdure-kind"]: branch for branch in branches if "x-perdure-kind" in branch}


def _resolve(part: Schema) -> Schema:
    """A schema with its ``$ref`` put in; what stands beside the reference wins."""
    if "$ref" not in part:
        return part
    target = schema()["definitions"][part["$ref"].rpartition("/")[2]]
    return {**_resolve(target), **{key: value for key, value in part.items() if key != "$ref"}}


def type_of(node: Node) -> str:
    """The JSON type of a node."""
    match node:
        case MapNode():
            return "object"
        case ListNode():
            return "array"
        case ScalarNode(value=None):
            return "null"
        case ScalarNode(value=bool()):
            return "boolean"
        case ScalarNode(value=int()):
            return "integer"
        case ScalarNode(value=float()):
            return "number"
        case _:
            return "string"


def describe(node: Node) -> str:
    """A node for a message: ``text 'five'``, ``the number 5``, ``a list``."""
    if isinstance(node, ScalarNode):
        match node.value:
            case None:
                return "nothing"
            case bool():
                return node.text
            case int() | float():
                return f"the number {node.text[:40]}"
            case str():
                return f"text {quote(node.text)}"
    return _TYPES[type_of(node)]


class _Walker:
    """Walks one document along the schema."""

    def __init__(self, diagnostics: Collector) -> None:
        self._diagnostics = diagnostics
        self.harmed = False

    def _error(
        self, code: str, message: str, span: Span, *, hint: str | None = None, related: Iterable[Related] = ()
    ) -> None:
        self._diagnostics.add(code, message, span, hint=hint, related=related)
        self.harmed = self.harmed or code not in _HARMLESS

    def document(self, root: Node) -> None:
        """Checks a whole document; its ``kind`` says which."""
        if not isinstance(root, MapNode):
            hint = "begin with 'dsl: perdure/1'"
            self._error("PD203", f"a document must be a mapping, not {describe(root)}", root.span, hint=hint)
            return
        entry = root.entry("kind")
        documents = {part["properties"]["kind"]["const"]: part for part in map(_resolve, schema()["anyOf"])}
        kind = entry.value.text if entry and isinstance(entry.value, ScalarNode) else "workflow"
        if entry and kind not in documents:
            self._choice(entry.value, list(documents), "'kind'")
        else:
            self._object(root, documents[kind])

    # One node ---------------------------------------------------------------------------------

    def _node(self, node: Node, part: Schema, label: str, key: Span | None = None) -> None:
        """Checks a node; ``label`` names it in messages, ``key`` is where its key stands."""
        part = _resolve(part)
        if "x-perdure-form" in part:
            return
        if "anyOf" in part and _kinds_of(part):
            self._kind(node, part, label, key or node.span)
        elif "anyOf" in part:
            self._union(node, part, label, key or node.span)
        elif "const" in part or "enum" in part:
            self._choice(node, [part["const"]] if "const" in part else part["enum"], label)
        elif self._has_type(node, part, label):
            self._content(node, part, label)

    def _has_type(self, node: Node, part: Schema, label: str) -> bool:
        if _fits(node, part):
            return True
        wanted = "a mapping" if _types(part) == ("object",) else _expected(part)
        message = f"{label} must be {wanted}, not {describe(node)}"
        hint = _instead(part)
        if isinstance(node, ScalarNode) and node.value is None:
            hint = "is the indentation of what follows right?"
        elif isinstance(node, ScalarNode) and "string" in _types(part) and _holds(node, part):
            hint = "put it in quotes"
        elif isinstance(node, ScalarNode) and node.text in ("yes", "no", "on", "off"):
            truth = "true" if node.text in ("yes", "on") else "false"
            hint = f"write {truth}; YAML 1.2 reads {node.text} as text"
        self._error("PD203", message, node.span, hint=hint)
        return False

    def _content(self, node: Node, part: Schema, label: str) -> None:
        match node:
            case MapNode():
                self._object(node, part)
            case ListNode():
                self._list(node, part, label)
            case ScalarNode():
                self._scalar(node, part, label)

    def _scalar(self, node: ScalarNode, part: Schema, label: str) -> None:
        if isinstance(node.value, str):
            if "pattern" in part and not re.search(part["pattern"], node.text):
                expected = part.get("x-perdure-expected", _expected(part))
                self._error("PD207", f"{label} must be {expected}, not {quote(node.text)}", node.span)
        elif isinstance(node.value, int | float) and not isinstance(node.value, bool):
            if node.value < part.get("minimum", node.value):
                self._error("PD405", f"{label} must be at least {part['minimum']}", node.span)
            elif node.value > part.get("maximum", node.value):
                self._error("PD405", f"{label} must be at most {part['maximum']}", node.span)

    def _list(self, node: ListNode, part: Schema, label: str) -> None:
        if len(node.items) < part.get("minItems", 0):
            self._error("PD202", f"{label} must not be empty", node.span)
        block = part.get("items") == {"$ref": "#/definitions/item"}
        for item in node.items:
            if self._diagnostics.full:
                break
            if block:
                self._item(item)
            else:
                hints = {
                    key: part[key] for key in ("x-perdure-instead", "markdownDescription") if key in part
                }
                self._node(item, {**hints, **_resolve(part["items"])}, f"an item of {label}")

    def _choice(self, node: Node, allowed: list[Any], label: str) -> None:
        if isinstance(node, ScalarNode) and node.value in allowed and type(node.value) is type(allowed[0]):
            return
        words = [str(each) for each in allowed]
        near = suggest(node.text, words) if isinstance(node, ScalarNode) and len(words) > 1 else None
        message = f"{label} must be {one_of(map(quote, words))}, not {describe(node)}"
        self._error("PD204", message, node.span, hint=f"did you mean {quote(near)}?" if near else None)

    def _union(self, node: Node, part: Schema, label: str, key: Span) -> None:
        branches = [_resolve(branch) for branch in part["anyOf"]]
        fitting = [branch for branch in branches if _fits(node, branch)]
        if isinstance(node, ScalarNode) and len(fitting) > 1:
            fitting = [branch for branch in fitting if _holds(node, branch)] or fitting[:1]
        if not fitting:
            expected = one_of(dict.fromkeys(_expected(branch) for branch in branches))
            message = f"{label} must be {expected}, not {describe(node)}"
            self._error("PD203", message, node.span, hint=_instead(part))
        else:
            self._node(node, fitting[0], label, key)

    # Mappings ---------------------------------------------------------------------------------

    def _object(self, node: MapNode, part: Schema) -> None:
        if self._is_something_else(node, part):
            return
        guessed = self._entries(node, part)
        for key in part.get("required", ()):
            if key not in node and key not in guessed:
                self._missing(node, part, key)
        if len(node.entries) < part.get("minProperties", 0):
            self._error("PD202", f"a {part['title']} must not be empty", node.span)

    def _is_something_else(self, node: MapNode, part: Schema) -> bool:
        """Whether no key fits and a required one is missing: one mistake, such as a level left out."""
        allowed, required = part.get("properties", {}), part.get("required", ())
        if not required or not node.entries or "patternProperties" in part:
            return False
        names = [entry.name for entry in node.entries]
        if part["title"] == "case" and names[0] in ("else", "default", "otherwise"):
            message = f"{quote(names[0])} is no case: 'else' stands beside 'switch'"
            hint = "write 'else: […]' below the list of cases, as deep as 'switch'"
            self._error("PD201", message, node.entries[0].key.span, hint=hint)
            return True
        if any(name in allowed for name in names) or any(_nearest(name, allowed) for name in names):
            return False
        self._missing(node, part, required[0])
        return True

    def _entries(self, node: MapNode, part: Schema) -> set[str]:
        """Checks every entry; the result are the keys that misspelt ones probably mean."""
        guessed: set[str] = set()
        beside: frozenset[str] = frozenset()
        for entry in node.entries:
            if self._diagnostics.full:
                break
            if entry.name in beside:
                continue
            found = part.get("properties", {}).get(entry.name)
            if found is None:
                found = self._other(entry, part)
            else:
                beside = self._beside(node, entry, part)
            if found is None:
                guessed.add(self._unknown(node, entry, part))
            elif not beside:
                self._node(entry.value, found, quote(entry.name), entry.key.span)
        return guessed

    def _beside(self, node: MapNode, empty: Entry, part: Schema) -> frozenset[str]:
        """Says which keys stand beside an empty one and were meant to stand below it."""
        if part.get("additionalProperties", True) is not False or "patternProperties" in part:
            return frozenset()
        keys = part["properties"]
        found = {entry.name: entry for entry in slips.not_indented(node, empty, keys)}
        inside = _resolve(keys[empty.name])
        inner = {
            key
            for each in (inside, inside.get("items", {}), *inside.get("anyOf", ()))
            for key in _resolve(each).get("properties", ())
        }
        free = inside.get("x-perdure-form") == "value" and not any(_nearest(name, keys) for name in found)
        if not found or not (free or inner & found.keys()):
            return frozenset()
        first = next(iter(found.values()))
        message = f"{quote(first.name)} stands beside {quote(empty.name)}, which is empty"
        hint = f"indent {one_of(map(quote, found)).replace(' or ', ' and ')} below {quote(empty.name)}"
        related = [Related(span=empty.key.span, message="nothing stands below this")]
        self._error("PD201", message, first.key.span, hint=hint, related=related)
        return frozenset(found)

    def _other(self, entry: Entry, part: Schema) -> Schema | None:
        """The schema of a key of the author's choice, where there are such."""
        for pattern, found in part.get("patternProperties", {}).items():
            if re.search(pattern, entry.name):
                return _schema(found)
            expected, plain = part.get("x-perdure-expected", "another name"), entry.name.removeprefix("vars.")
            hint = f"write {plain}" if plain != entry.name and _is_name(plain) else None
            self._error("PD207", f"{quote(entry.name)} is not {expected}", entry.key.span, hint=hint)
            return {"x-perdure-form": "value"}
        free = part.get("additionalProperties", False)
        return _schema(free) if isinstance(free, dict) else None

    def _unknown(self, node: MapNode, entry: Entry, part: Schema) -> str:
        allowed = part.get("properties", {})
        if (written := slips.without_blank(entry)) and written.partition(":")[0] in allowed:
            self._no_blank(written, entry.key.span)
            return written.partition(":")[0]
        missing = [key for key, found in allowed.items() if key not in node]
        near = _nearest(entry.name, missing) or ""
        where = f"in {_article(part['title'])}"
        known = any(entry.name in branch["properties"] for branch in _branches("task").values())
        if known and "x-perdure-kind" in part and not near:
            message = f"{quote(entry.name)} is not possible {where}"
        else:
            message = f"unknown key {quote(entry.name)} {where}"
        message += f"; did you mean {quote(near)}?" if near else ""
        hint = f"allowed here: {', '.join(allowed)}" if allowed else None
        if not near:
            hint = foreign.ADVICE.get(foreign.snake_case(entry.name), hint)
        self._error("PD201", message, entry.key.span, hint=hint)
        return near

    def _no_blank(self, written: str, span: Span) -> None:
        self._error("PD201", "a blank is missing after ':'", span, hint=f"write {quote(written)}")

    def _missing(self, node: MapNode, part: Schema, key: str) -> None:
        said = part.get("x-perdure-missing", {}).get(key)
        kind = part.get("x-perdure-kind", "")
        first = node.entry(kind) or (node.entries[0] if node.entries else None)
        span = first.key.span if first else node.span
        if said:
            self._error(said["code"], said["message"], span, hint=said["hint"])
            return
        hint = _example(_resolve(part["properties"][key]))
        self._error("PD202", f"{_article(part['title'])} needs {quote(key)}", span, hint=hint)

    # Steps ------------------------------------------------------------------------------------

    def _item(self, node: Node) -> None:
        """Checks an item of a block: a statement, or one named step."""
        statements = _branches("item")
        if isinstance(node, ScalarNode) and node.value in ("break", "continue"):
            return
        written = slips.spaced(node.text) if isinstance(node, ScalarNode) else None
        if written and written.partition(":")[0] in statements:
            self._no_blank(written, node.span)
            return
        if not isinstance(node, MapNode) or not node.entries:
            hint = "write '- name: {call: Activity}' or a statement such as '- return: value'"
            message = f"an item of a block must be a named step or a statement, not {describe(node)}"
            self._error("PD209", message, node.span, hint=hint)
            return
        found = [entry for entry in node.entries if entry.name in statements]
        tasks = [entry for entry in node.entries if entry.name in _branches("task")]
        if len(node.entries) == 1 and not found and not tasks:
            self._named(node.entries[0])
        elif tasks and not _is_statement(node, found):
            self._nameless(node, tasks[0])
        elif len(found) == 1 or (found and found[0].name == "if"):
            self._statement(found[0], node)
        elif found:
            self._two_kinds(found, "statements", "write one '- ' for each")
        else:
            self._several(node)

    def _statement(self, entry: Entry, node: MapNode) -> None:
        self._object(node, _branches("item")[entry.name])

    def _nameless(self, node: MapNode, kind: Entry) -> None:
        first = node.entries[0]
        if (
            first.name not in _branches("task")
            and isinstance(first.value, ScalarNode)
            and first.value.value is None
        ):
            message = f"{quote(kind.name)} stands beside the step's name {quote(first.name)}, not below it"
            self._error("PD209", message, kind.key.span, hint="indent the step's keys by two more spaces")
            return
        given = node.get("name") or node.get("id")
        name = given.text if isinstance(given, ScalarNode) and _is_name(given.text) else "name"
        hint = f"write '- {name}: {{{kind.name}: …}}'; the name is the name of the result"
        self._error("PD209", f"a {kind.name} step needs a name", kind.key.span, hint=hint)

    def _several(self, node: MapNode) -> None:
        first, second = node.entries[:2]
        hint = "write one '- ' for each step, and indent a step's keys below its name"
        if owner := _OWNERS.get(second.name):
            hint = f"indent {quote(second.name)} as deep as the {quote(owner)} that it belongs to"
        message = (
            f"an item of a block is one named step; {quote(second.name)} stands beside {quote(first.name)}"
        )
        self._error("PD209", message, second.key.span, hint=hint)

    def _named(self, entry: Entry) -> None:
        if not _is_name(entry.name):
            message = f"the name of a step is lower-case letters, digits and '_', not {quote(entry.name)}"
            better = foreign.snake_case(entry.name)
            hint = f"expressions read it: write {quote(better)}" if _is_name(better) else None
            self._error("PD207", message, entry.key.span, hint=hint)
        node = entry.value
        written = slips.spaced(node.text) if isinstance(node, ScalarNode) else None
        if written and written.partition(":")[0] in kinds("task"):
            self._no_blank(written, node.span)
            return
        if not isinstance(node, MapNode):
            message = f"the step {quote(entry.name)} must be a mapping, not {describe(node)}"
            near = suggest(entry.name, kinds("item"))
            hint = f"did you mean the statement {quote(near)}?" if near else "write its keys below its name"
            self._error("PD203", message, entry.key.span, hint=hint)
            return
        self._kind(node, schema()["definitions"]["task"], f"the step {quote(entry.name)}", entry.key.span)

    def _kind(self, node: Node, part: Schema, label: str, key: Span) -> None:
        """Checks a mapping that has one of several kinds, by the key that says which."""
        if not isinstance(node, MapNode):
            self._error("PD203", f"{label} must be a mapping, not {describe(node)}", node.span)
            return
        branches = _kinds_of(part)
        found = [entry for entry in node.entries if entry.name in branches]
        if not found:
            self._no_kind(node, branches, label, key)
            return
        ruling = [
            entry
            for entry in found
            if all(other.name in branches[entry.name]["properties"] for other in found)
        ]
        ruled = branches[found[0].name]
        if len(ruling) != 1 and any(
            self._beside(node, each, ruled) for each in node.entries if each.name in ruled["properties"]
        ):
            return
        if len(ruling) != 1:
            self._two_kinds(found, f"kinds in {label}", "keep one of them, or write a step for each")
        else:
            self._object(node, branches[ruling[0].name])

    def _no_kind(self, node: MapNode, branches: Mapping[str, Schema], label: str, key: Span) -> None:
        for entry in node.entries:
            if (written := slips.without_blank(entry)) and written.partition(":")[0] in branches:
                self._no_blank(written, entry.key.span)
                return
        keys = {key for branch in branches.values() for key in branch["properties"]}
        for entry in node.entries:
            if entry.name in _branches("item") and entry.name not in keys and label.startswith("the step "):
                message = f"{quote(entry.name)} in {label}: a statement has no name"
                hint = f"write '- {entry.name}: ...' in its place"
                self._error("PD205", message, entry.key.span, hint=hint)
                return
        guesses = (
            (entry, _nearest(entry.name, branches)) for entry in node.entries if entry.name not in keys
        )
        guessed = next(((entry, near) for entry, near in guesses if near), None)
        message, hint = f"{label} has no kind", f"it has one of: {', '.join(branches)}"
        if guessed:
            entry, near = guessed
            key = entry.key.span
            message = f"unknown key {quote(entry.name)} in {label}; did you mean {quote(near)}?"
        self._error("PD205", message, key, hint=hint)

    def _two_kinds(self, found: list[Entry], what: str, hint: str) -> None:
        first, second = found[:2]
        related = [Related(span=first.key.span, message="the other one")]
        message = f"two {what}: {quote(first.name)} and {quote(second.name)}"
        self._error("PD206", message, second.key.span, hint=hint, related=related)


def _is_statement(node: MapNode, found: list[Entry]) -> bool:
    """Whether a mapping with keys of tasks is meant as the statement that its first key names."""
    return bool(found) and found[0] is node.entries[0] and (found[0].name == "if" or len(node.entries) == 1)


def _is_name(text: str) -> bool:
    return re.fullmatch("[a-z][a-z0-9_]*", text) is not None


def _nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The key probably meant: what it is called here, the nearest one, or the only one that begins alike."""
    candidates = list(candidates)
    if known := foreign.meant(name, frozenset(candidates)):
        return known
    if foreign.snake_case(name) in foreign.ADVICE:
        return None
    alike = [each for each in candidates if len(name) > 3 and each.startswith(name[:3])]
    return suggest(name, candidates) or (alike[0] if len(alike) == 1 else None)


def _schema(part: Any) -> Schema:
    return part if isinstance(part, dict) else {"x-perdure-form": "value"}


def _types(part: Schema) -> tuple[str, ...]:
    found = part.get("type", ())
    return (found,) if isinstance(found, str) else tuple(found)


def _fits(node: Node, part: Schema) -> bool:
    """Whether a node has a type that the schema allows."""
    allowed = _types(part)
    if "const" in part:
        return type_of(node) == ("string" if isinstance(part["const"], str) else "integer")
    if "x-perdure-form" in part and isinstance(node, ScalarNode) and "array" not in allowed:
        return not allowed or type_of(node) in allowed or "object" not in allowed
    kind = type_of(node)
    return not allowed or kind in allowed or (kind == "integer" and "number" in allowed)


def _holds(node: ScalarNode, part: Schema) -> bool:
    """Whether a scalar satisfies a branch in full."""
    if "const" in part or "enum" in part:
        return node.value in ([part["const"]] if "const" in part else part["enum"])
    return "pattern" not in part or re.search(part["pattern"], node.text) is not None


def _expected(part: Schema) -> str:
    if "x-perdure-expected" in part:
        return str(part["x-perdure-expected"])
    if "const" in part:
        return quote(str(part["const"]))
    if "enum" in part:
        return one_of(quote(str(each)) for each in part["enum"])
    if _types(part) == ("object",) and "title" in part:
        return _article(part["title"])
    if "x-perdure-form" in part and part["title"] in ("duration", "expression", "count"):
        return _article(part["title"])
    return one_of(_TYPES[each] for each in _types(part))


def _instead(part: Schema) -> str | None:
    """What to write in place of something of the wrong type, for a hint."""
    return part.get("x-perdure-instead") or _example(part)


def _example(part: Schema) -> str | None:
    """The example of the schema, if it goes on one line."""
    found = re.search(r"```yaml\n(.*?)\n```", part.get("markdownDescription", ""), re.DOTALL)
    lines = found[1].split("\n") if found else []
    if len(lines) == 2 and ": ${" not in lines[1]:
        value = re.sub(r"^- (?!\{)(.*)$", r"- { \1 }", lines[1].strip())
        lines = [f"{lines[0]} [{value[2:]}]" if value.startswith("- ") else f"{lines[0]} {{ {value} }}"]
    return f"for example '{lines[0]}'" if len(lines) == 1 else None


def _article(title: str) -> str:
    return f"{'an' if title[0] in 'aeio' else 'a'} {title}"
