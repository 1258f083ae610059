"""The little languages inside a document: expressions, durations, counts and JSON Schemas.

Each function takes a node and always gives something of the right type; what cannot be read is reported
and replaced, so that the rest of the document can still be checked.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, TypeGuard

from perdure.dsl import slips
from perdure.dsl.diagnostics import Collector, quote
from perdure.dsl.duration import parse_duration
from perdure.dsl.expr.ast import Const, Embedded, ListValue, MapValue, Text, Value
from perdure.dsl.expr.errors import ExprError
from perdure.dsl.expr.template import parse_scalar
from perdure.dsl.json_schemas import JsonSchemas
from perdure.dsl.model import EntityTarget
from perdure.dsl.nodes import Entry, ListNode, MapNode, Node, ScalarNode, descendants
from perdure.dsl.schema import describe, kinds
from perdure.dsl.schema_files import Read
from perdure.dsl.source import Span, TextMap
from perdure.dsl.templates import ForeignTemplate, foreign_template, names_in

NOTHING = Const(None)
"""What stands in for a value that cannot be read, so that nothing more is said of it: compare with ``is``."""
NEVER = "never"
_NO_LINE_BREAK = "write |- or >-, which leave out the line break at the end"
_NAMES = re.compile(r"!?[a-z_][\w.]*( (==|!=|<|>|<=|>=) [\w.']+)?")
"""What is surely meant as an expression."""
_TIME = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d+)?Z")
_PART = re.compile(r"[0-9.dhmsPTWDHMS]*")
"""What may stand in a duration beside expressions."""
_TRUTHS = MappingProxyType({"yes": "true", "on": "true", "no": "false", "off": "false"})
"""What YAML 1.1 reads as truth values."""
_SOME_TIME = "2026-01-31T09:00:00Z"
ENTITY_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}")
"""What entities are named, as in ``schemas/workflow-v1.schema.json``."""

EXPRESSION_CODES = MappingProxyType(
    {
        "cel.syntax": "PD300",
        "cel.unknown_name": "PD301",
        "cel.unknown_function": "PD303",
        "cel.arity": "PD304",
        "cel.no_overload": "PD305",
        "cel.convert": "PD306",
        "cel.overflow": "PD306",
        "cel.regex": "PD307",
        "cel.limit": "PD308",
        "cel.unsupported": "PD309",
        "cel.duplicate_key": "PD312",
        "cel.secret": "PD313",
        "cel.shadowed": "PD803",
        "cel.unused": "PD803",
    }
)
"""The code of each kind of mistake in an expression."""


def report(error: ExprError, text_map: TextMap, diagnostics: Collector) -> None:
    """Notes that a scalar's text cannot be parsed, at its place in the file."""
    start, end = text_map.position(error.at), text_map.position(max(error.end, error.at + 1))
    span = Span(start, end) if end.line == start.line else Span.at(start.line, start.column)
    code = EXPRESSION_CODES.get(error.kind, "PD300")
    diagnostics.add(code, error.message, span, hint=error.hint, kind=error.kind)


def check_syntax(root: Node, diagnostics: Collector) -> None:
    """Notes every expression below a node that cannot be parsed."""
    for node in descendants(root):
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and "${" in node.text:
            try:
                parse_scalar(node.text, node.text_map)
            except ExprError as error:
                report(error, node.text_map, diagnostics)


def plain(node: Node) -> Any:
    """A node as JSON, texts taken as they are written."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {entry.name: plain(entry.value) for entry in node.entries}


def _is_constant(value: Value) -> TypeGuard[Const]:
    return isinstance(value, Const) and value is not NOTHING


def _ends_its_line(value: Value, node: Node) -> bool:
    """Whether a block scalar is one expression and, because of how it is written, a line break."""
    match value:
        case Text((Embedded(marks=marks), str() as rest)):
            return not rest.strip("\n") and marks[0][1] > node.span.start.line
        case _:
            return False


class Forms:
    """Reads the forms of the document at ``root`` and reports to one collector."""

    def __init__(self, diagnostics: Collector, files: Read | None = None, root: Node | None = None) -> None:
        self._diagnostics = diagnostics
        self._names = {} if root is None else names_in(root, frozenset(kinds("task")))
        self._values: dict[int, Value] = {}
        self._schemas = JsonSchemas(diagnostics, files)

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        """Notes a mistake."""
        self._diagnostics.add(code, message, span, hint=hint)

    # Values -----------------------------------------------------------------------------------

    def value(self, node: Node) -> Value:
        """YAML whose leaves may be expressions; what has none is one constant."""
        found = self._read(node)
        if _ends_its_line(found, node):
            message = "this is text that ends with a line break, not the value of the expression"
            self._diagnostics.add("PD801", message, node.span, hint=_NO_LINE_BREAK)
        return found

    def _read(self, node: Node) -> Value:
        # An aliased node is the same object each time: read it once.
        if id(node) not in self._values:
            self._values[id(node)] = self._value(node)
        return self._values[id(node)]

    def _value(self, node: Node) -> Value:
        match node:
            case ScalarNode():
                return self._scalar(node)
            case ListNode():
                items = tuple(self.value(item) for item in node.items)
                constants = [item.value for item in items if _is_constant(item)]
                return Const(constants) if len(constants) == len(items) else ListValue(items)
            case MapNode():
                entries = tuple((self.key(entry), self.value(entry.value)) for entry in node.entries)
                mapping = {key: item.value for key, item in entries if _is_constant(item)}
                return Const(mapping) if len(mapping) == len(entries) else MapValue(entries)

    def _scalar(self, node: ScalarNode) -> Value:
        if not isinstance(node.value, str):
            return Const(node.value)
        if "${" not in node.text and (foreign := foreign_template(node.text, self._names)):
            self._foreign(node, foreign)
        return self._text(node.text, node.text_map)

    def _foreign(self, node: ScalarNode, found: ForeignTemplate) -> None:
        start, end = node.text_map.position(found.start), node.text_map.position(found.end)
        span = Span(start, end) if start.line == end.line else node.span
        message = f"{quote(node.text[found.start : found.end])} is plain text here"
        hint = f"an expression is written {found.instead}"
        self._diagnostics.add("PD801", message, span, hint=hint)

    def _text(self, text: str, text_map: TextMap) -> Value:
        try:
            return parse_scalar(text, text_map)
        except ExprError as error:
            report(error, text_map, self._diagnostics)
            return NOTHING

    def key(self, entry: Entry) -> str:
        """The key of a map, which is no expression."""
        if written := slips.without_blank(entry):
            hint = f"write {quote(written)}"
            self._diagnostics.add("PD801", "a blank is missing after ':'", entry.key.span, hint=hint)
        if "${" in entry.name:
            hint = "make the map in an expression: ${ {key: value} }"
            self.error("PD310", "a key cannot be an expression", entry.key.span, hint)
        return entry.name

    def constant(self, node: Node) -> Any:
        """YAML without expressions, as JSON."""
        for each in descendants(node):
            if isinstance(each, ScalarNode) and "${" in each.text.replace("$${", ""):
                self.error("PD310", "an expression cannot stand here; write a constant", each.span)
        return plain(node)

    def time(self, node: Node) -> Value:
        """One whole ``${ }`` that gives a time."""
        text = node.text if isinstance(node, ScalarNode) and _TIME.fullmatch(node.text) else _SOME_TIME
        return self.expression(node, f"write ${{ timestamp('{text}') }}")

    def expression(self, node: Node, instead: str | None = None) -> Value:
        """One whole ``${ }``; ``instead`` is what to write where nothing is known to be meant."""
        before = self._diagnostics.errors
        hint = self._meant(node)
        found = NOTHING if hint else self._read(node)
        if not isinstance(found, Embedded) and self._diagnostics.errors == before:
            hint = _NO_LINE_BREAK if _ends_its_line(found, node) else hint or instead
            if isinstance(node, ScalarNode) and _NAMES.fullmatch(node.text):
                hint = hint or f"write ${{ {node.text} }}"
            hint = hint or "write ${ … }, in quotes if it contains ': ' or ' #'"
            self.error("PD311", f"an expression is needed here, not {describe(node)}", node.span, hint)
        return found

    def _meant(self, node: Node) -> str | None:
        """What to write where an expression is needed and another engine's stands."""
        if not (isinstance(node, ScalarNode) and isinstance(node.value, str)) or "${" in node.text:
            return None
        found = foreign_template(node.text, self._names)
        return f"write {found.instead}" if found else None

    def items(self, node: Node, label: str) -> Value:
        """A list to loop over: written in YAML, or an expression."""
        before = self._diagnostics.errors
        hint = self._meant(node)
        found = NOTHING if hint else self.value(node)
        if self._diagnostics.errors > before or isinstance(found, Embedded) or isinstance(node, ListNode):
            return found
        if isinstance(node, MapNode):
            hint = 'loop over its entries: m.transformList(k, v, {"key": k, "value": v})'
        self.error(
            "PD203", f"'{label}' must be a list or an expression, not {describe(node)}", node.span, hint
        )
        return Const([])

    # Entities ---------------------------------------------------------------------------------

    def entity(self, node: Node) -> EntityTarget:
        """``Type@key``; the key is what text with expressions is."""
        text = node.text if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""
        name, separator, key = text.partition("@")
        if "${" in name:
            hint = "write 'Type@${ … }'; choose between types with 'switch'"
            self.error("PD310", "the type of an entity is a constant", node.span, hint)
        elif not (isinstance(node, ScalarNode) and separator and key and ENTITY_TYPE.fullmatch(name)):
            hint = "write it like 'Account@${ input.account }'"
            self.error("PD505", f"an entity is written Type@key, not {describe(node)}", node.span, hint)
        else:
            value = self._text(key, node.text_map.part(len(name) + 1))
            return EntityTarget(type=name, key=value, span=node.span)
        return EntityTarget(type="", key=NOTHING, span=node.span)

    def entities(self, node: Node) -> tuple[EntityTarget, ...] | Value:
        """A list of targets written in YAML, or the expression that gives one."""
        if isinstance(node, ListNode):
            return tuple(self.entity(item) for item in node.items)
        before = self._diagnostics.errors
        hint = self._meant(node)
        found = NOTHING if hint else self.value(node)
        if not isinstance(found, Embedded) and self._diagnostics.errors == before:
            message = f"entities are a list or an expression, not {describe(node)}"
            self.error("PD203", message, node.span, hint or "put it in [ ], even a single one")
        return found

    # Durations and counts ---------------------------------------------------------------------

    def duration(self, node: Node) -> int | Value:
        """A duration in microseconds, or the expression that gives one."""
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            before = self._diagnostics.errors
            found = self._scalar(node)
            if self._diagnostics.errors > before:
                return 0
            if isinstance(found, Text):
                self._parts_of_duration(found, node.span)
            return self._constant_duration(found.value, node.span) if isinstance(found, Const) else found
        if (
            isinstance(node, ScalarNode)
            and isinstance(node.value, int | float)
            and not isinstance(node.value, bool)
        ):
            hint = f"write {node.text}s, {node.text}m or {node.text}ms"
            self.error("PD403", f"the duration {node.text} has no unit", node.span, hint)
        else:
            self.error("PD402", f"a duration such as 30s is needed here, not {describe(node)}", node.span)
        return 0

    def _parts_of_duration(self, text: Text, span: Span) -> None:
        """Notes what no expression beside it can make a duration."""
        wrong = next(
            (each for each in text.parts if isinstance(each, str) and not _PART.fullmatch(each)), None
        )
        if wrong is not None:
            message = f"with {quote(wrong)} in it this is never a duration"
            self.error("PD402", message, span, 'write a number and its unit, such as "${ input.n }s"')

    def constant_duration(self, node: Node) -> int:
        """A duration that is known before anything runs, in microseconds."""
        found = self.duration(node)
        if isinstance(found, int):
            return found
        self.error("PD310", "an expression cannot stand here; write a duration such as 30d", node.span)
        return 0

    def _constant_duration(self, text: str, span: Span) -> int:
        if text == NEVER:
            hint = "only wait_for_event may wait for ever; leave the key out for no bound"
            self.error("PD406", "'never' is no duration", span, hint)
            return 0
        try:
            return parse_duration(text)
        except ValueError as error:
            bare = text.replace(".", "", 1).isdigit()
            self.error("PD403" if bare else "PD402", f"{quote(text)}: {error}", span)
            return 0

    def timeout_or_never(self, node: Node) -> int | Value | None:
        """A duration, or None for ``never``."""
        if isinstance(node, ScalarNode) and node.value == NEVER:
            return None
        return self.duration(node)

    def count(self, node: Node, label: str) -> int | Value:
        """A whole number of at least 1, or the expression that gives one."""
        before = self._diagnostics.errors
        meant = self._meant(node)
        found = NOTHING if meant else self.value(node)
        if isinstance(found, Embedded):
            return found
        number = found.value if isinstance(found, Const) else None
        if isinstance(number, int) and not isinstance(number, bool):
            if number < 1:
                self.error("PD405", f"'{label}' must be at least 1", node.span)
            return max(number, 1)
        if self._diagnostics.errors == before:
            code, hint = "PD203", meant
            if number == "unlimited":
                code, hint = "PD405", "every bound is explicit; write the largest number that can be meant"
            elif isinstance(number, str) and number.isascii() and number.isdecimal():
                hint = f"write it without quotes: {number}"
            message = f"'{label}' must be a whole number or an expression, not {describe(node)}"
            self.error(code, message, node.span, hint)
        return 1

    # JSON Schema ------------------------------------------------------------------------------

    def json_schema(self, node: Node) -> Any:
        """A JSON Schema with the files that it needs put in; None in place of one that is none."""
        return self._schemas.read(plain(node), node)

    def initial(self, node: Node, schema: Any) -> Any:
        """A constant that a schema beside it, if there is one, must allow."""
        value = self.constant(node)
        if schema is not None:
            self._schemas.check_value(value, node, schema)
        elif isinstance(node, ScalarNode) and node.text in _TRUTHS and _is_plain(node):
            message = f"YAML 1.2 reads {node.text} as text"
            hint = f"write {_TRUTHS[node.text]}, or quote it if it is text"
            self._diagnostics.add("PD801", message, node.span, hint=hint)
        return value


def _is_plain(node: ScalarNode) -> bool:
    """Whether a short text is written without quotes."""
    return node.span.end.column - node.span.start.column == len(node.text)
