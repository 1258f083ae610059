"""JSON Schemas in documents: sound, affordable, with the files they need put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonschema.exceptions import best_match

from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.nesting import mappings, parts
from perdure.dsl.nodes import ListNode, MapNode, Node, ScalarNode, descendants
from perdure.dsl.schema import describe
from perdure.dsl.schema_files import Read, SchemaFileError, with_files
from perdure.dsl.schema_flaws import DIALECTS, dialect_of, flaws, not_a_schema
from perdure.dsl.schema_words import check_words

MAX_SCHEMA_NODES = 5_000
"""Values in all JSON Schemas of a document: checking one takes a quarter of a millisecond a subschema."""
MAX_SCHEMA_LIST = 500
"""Items of one list in a JSON Schema: lists of mappings are compared each with each."""
_UNBOUNDED = frozenset({"$ref", "$dynamicRef", "pattern", "patternProperties", "uniqueItems"})
"""Keywords whose cost is not bounded by the size of what is validated."""


class JsonSchemas:
    """Reads the schemas of one document, and reports to one collector."""

    def __init__(self, diagnostics: Collector, files: Read | None) -> None:
        self._diagnostics = diagnostics
        self._files = files
        self._nodes = 0

    def read(self, schema: Any, node: Node) -> Any:
        """The schema that a node holds as JSON; None in place of one that is none."""
        before = self._diagnostics.errors
        if not isinstance(schema, dict | bool):
            self._error(f"a JSON Schema is a mapping, not {describe(node)}", node)
        elif self._affordable(schema, node):
            schema = self._with_files(schema, node)
            if self._diagnostics.errors == before:
                self._drafts(schema, node)
            if self._diagnostics.errors == before:
                self._against_meta_schema(schema, node)
            if self._diagnostics.errors == before:
                self._flaws(schema, node)
            if self._diagnostics.errors == before:
                check_words(node, self._diagnostics)
        return schema if self._diagnostics.errors == before else None

    def check_value(self, value: Any, node: Node, schema: Any) -> None:
        """Notes that a constant is not what its schema allows, as far as that can be told cheaply."""
        if any(key in _UNBOUNDED for part in mappings(schema) for key in part):
            return
        error = best_match(dialect_of(schema)(schema).iter_errors(value))
        if error is not None:
            place = node_at(node, list(error.absolute_path))
            message = f"the schema does not allow this: {_shortened(error.message)}"
            self._diagnostics.add("PD224", message, place.span)

    def _error(self, message: str, node: Node, hint: str | None = None) -> None:
        self._diagnostics.add("PD222", message, node.span, hint=hint)

    def _affordable(self, schema: Any, node: Node) -> bool:
        for each in parts(schema):
            self._nodes += 1
            if isinstance(each, list) and len(each) > MAX_SCHEMA_LIST:
                self._error(f"a list of more than {MAX_SCHEMA_LIST} items in a JSON Schema", node)
                return False
        if self._nodes > MAX_SCHEMA_NODES:
            self._error(f"the JSON Schemas have more than {MAX_SCHEMA_NODES:,} values together", node)
        return self._nodes <= MAX_SCHEMA_NODES

    def _with_files(self, schema: Any, node: Node) -> Any:
        try:
            whole = with_files(schema, self._files)
        except SchemaFileError as error:
            place = _reference_node(node, error.reference) or node
            self._diagnostics.add("PD236", str(error), place.span, hint=error.hint)
            return schema
        if whole is not schema:
            self._affordable(whole, node)
        return whole

    def _against_meta_schema(self, schema: Any, node: Node) -> None:
        wrong = not_a_schema(schema, dialect_of(schema))
        if wrong is not None:
            self._error(wrong[0], node_at(node, wrong[1]))

    def _drafts(self, schema: Any, node: Node) -> None:
        for part in mappings(schema):
            draft = part.get("$schema")
            if isinstance(draft, str) and draft not in DIALECTS:
                hint = (
                    f"leave it out for 2020-12, or write {quote('http://json-schema.org/draft-07/schema#')}"
                )
                place = _scalar_node(node, "$schema", draft) or node
                self._error(f"the draft {quote(draft)} is not understood", place, hint)

    def _flaws(self, schema: Any, node: Node) -> None:
        for flaw in flaws(schema):
            place = node_at(node, flaw.path)
            around = node_at(node, flaw.path[:-1])
            entry = around.entry(str(flaw.path[-1])) if flaw.key and isinstance(around, MapNode) else None
            self._error(flaw.message + _file_of(flaw.path, node), entry.key if entry else place, flaw.hint)


def _file_of(path: tuple[str | int, ...], node: Node) -> str:
    """In which of the files that were put in a path ends, for a message."""
    if path[:1] != ("$defs",) or not isinstance(node, MapNode):
        return ""
    own = node.get("$defs")
    return "" if isinstance(own, MapNode) and str(path[1]) in own else f" (in {quote(str(path[1]))})"


def node_at(node: Node, path: Sequence[str | int]) -> Node:
    """The node that a path of keys and indexes leads to, or the last one on the way."""
    for part in path:
        if isinstance(node, MapNode):
            found = node.get(str(part))
            if found is None:
                return node
            node = found
        elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
    return node


def _scalar_node(node: Node, key: str, text: str) -> Node | None:
    """Where a text stands under a key, the first time in a document's own part of a schema."""
    for each in descendants(node):
        found = each.get(key) if isinstance(each, MapNode) else None
        if isinstance(found, ScalarNode) and found.text == text:
            return found
    return None


def _reference_node(node: Node, target: str) -> Node | None:
    return _scalar_node(node, "$ref", target)


def _shortened(message: str) -> str:
    return message if len(message) <= 160 else message[:159] + "…"
