"""YAML text to node trees that know where everything stands, within limits.

Only ruamel.yaml's events are used: what scalars mean, duplicate keys, aliases and limits are decided
here. All of ruamel.yaml is behind this module and ``yaml_errors``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from perdure.dsl.diagnostics import Collector, Related, quote
from perdure.dsl.embedding import unclosed
from perdure.dsl.ignores import find_ignores
from perdure.dsl.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from perdure.dsl.scalars import Lines, resolve, text_map
from perdure.dsl.source import Source, Span
from perdure.dsl.yaml_errors import QUOTE_IT, explain, whole_line

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_SCALAR = 64 * 1024
MAX_EXPANDED_NODES = 100_000
"""Nodes that a document may have with every alias written out; more if it has a tenth of them itself."""
MAX_EXPANDED_CHARACTERS = 1024 * 1024
EXPANSION = 10

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Among them the line breaks that only YAML 1.1 knows: the parser reads them as such, other tools do not."""
_VERSION = re.compile("^%YAML.*$", re.MULTILINE)
_BEYOND_UNICODE = re.compile(r"\\U(?!000[0-9a-fA-F]|0010)[0-9a-fA-F]{8}")
_NOWHERE = re.compile("[\0\ud800-\udfff]")
"""What even an escape may not write: no store keeps it."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """One document of a file. ``sound`` is false when a mistake has already been reported inside."""

    root: Node
    sound: bool


def read(source: Source, diagnostics: Collector) -> tuple[ReadDocument, ...]:
    """The documents of a file up to the first that cannot be read; never raises for any text."""
    if not _fits(source, diagnostics):
        return ()
    reading = _Reading(source.text, diagnostics)
    documents = tuple(reading.documents())
    if not diagnostics.errors:
        find_ignores(source.text, reading.texts, diagnostics)
    if not documents and not diagnostics.errors:
        diagnostics.add(
            "PD120", "the file holds no document", Span.at(1, 1, 0), hint="begin with 'dsl: perdure/1'"
        )
    return documents


def _fits(source: Source, diagnostics: Collector) -> bool:
    # The size comes first: the YAML parser takes seconds a megabyte.
    size = len(source.text)
    if size > MAX_BYTES or len(source.text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        diagnostics.add("PD109", f"the file is larger than {MAX_BYTES // 1024} KiB", Span.at(1, 1, 0))
        return False
    found = _FORBIDDEN.search(source.text)
    if found:
        start = Lines(source.text).position(found.start())
        message = f"the character U+{ord(found[0]):04X} may not stand in a document"
        diagnostics.add("PD118", message, Span.at(start.line, start.column))
    return not found


class _StopReading(Exception):
    """The file cannot be read further; the reason has been reported."""


@dataclass(slots=True)
class _Anchored:
    """An anchor's node, when it is finished, with its size written out."""

    node: Node | None = None
    nodes: int = 0
    characters: int = 0
    height: int = 0


class _Reading:
    """The state of reading one file."""

    def __init__(self, text: str, diagnostics: Collector) -> None:
        self._text = text
        self._diagnostics = diagnostics
        self._lines = Lines(text)
        self.texts: list[tuple[int, int]] = []
        self._written = 0
        self._events: Iterator[Event] = YAML(typ="safe", pure=True).parse(text)
        self._begin_document()

    def _begin_document(self) -> None:
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._characters = 0
        self._deepest = 0
        self._largest_alias: tuple[int, Span] = (0, Span.at(1, 1, 0))

    def documents(self) -> Iterator[ReadDocument]:
        """The documents one after the other, until one cannot be read."""
        try:
            while (event := self._next()) is not None:
                if isinstance(event, DocumentStartEvent):
                    yield self._document(event)
        except _StopReading:
            return

    def _document(self, event: Any) -> ReadDocument:
        self._begin_document()
        errors = self._diagnostics.errors
        span = self._span(event.start_mark.index, whole_line(self._text, event.start_mark.index))
        if event.version or event.tags:
            before = self._text.rfind("%", 0, event.start_mark.index)
            span = self._span(before, whole_line(self._text, before))
        if event.version not in (None, (1, 2)):
            self._stop("PD121", "documents are YAML 1.2; leave the %YAML line out", span)
        if event.tags:
            self._stop("PD121", "%TAG is not supported; leave the line out", span)
        written = self._written
        root = self._node(self._take(), 0)
        self._check_expansion(self._written - written)
        return ReadDocument(root, self._diagnostics.errors == errors)

    def _check_expansion(self, written: int) -> None:
        if self._nodes > max(MAX_EXPANDED_NODES, EXPANSION * written):
            self._stop(
                "PD113", "with its aliases written out the document is too large", self._largest_alias[1]
            )
        if self._characters > max(MAX_EXPANDED_CHARACTERS, EXPANSION * len(self._text)):
            self._stop(
                "PD113", "with its aliases written out the document is too long", self._largest_alias[1]
            )

    # Events -----------------------------------------------------------------------------------

    def _next(self) -> Event | None:
        try:
            return next(self._events, None)
        except MarkedYAMLError as error:
            problem = explain(error, self._text)
            span = self._span(problem.start, problem.end)
            raise self._stopped(problem.code, problem.message, span, problem.hint) from None
        except AssertionError:
            # The parser asserts that a version ends in 1 or 2.
            directive = _VERSION.search(self._text)
            span = self._span(*directive.span()) if directive else Span.at(1, 1)
            message = "documents are YAML 1.2; leave the %YAML line out"
            raise self._stopped("PD121", message, span) from None
        except (YAMLError, ValueError, OverflowError):
            # The scanner does not expect chr() to refuse an escape; where it was is lost.
            escape = _BEYOND_UNICODE.search(self._text)
            span = self._span(*escape.span()) if escape else Span.at(1, 1)
            message = "an escape beyond U+10FFFF" if escape else "the YAML cannot be read"
            raise self._stopped("PD101", message, span) from None

    def _take(self) -> Event:
        event = self._next()
        assert event is not None, "the parser ends a document before its stream"
        return event

    def _stopped(self, code: str, message: str, span: Span, hint: str | None = None) -> _StopReading:
        self._diagnostics.add(code, message, span, hint=hint)
        return _StopReading()

    def _stop(self, code: str, message: str, span: Span) -> None:
        raise self._stopped(code, message, span)

    def _span(self, start: int, end: int) -> Span:
        return Span(self._lines.position(start), self._lines.position(max(end, start)))

    # Nodes ------------------------------------------------------------------------------------

    def _node(self, event: Event, depth: int) -> Node:
        """The node that begins with an event, at most ``MAX_DEPTH`` below the root."""
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        assert isinstance(event, ScalarEvent | SequenceStartEvent | MappingStartEvent)
        span = self._span(event.start_mark.index, event.start_mark.index + 1)
        self._count(span, depth)
        if event.tag is not None:
            self._tag(event, span)
        anchored = _Anchored(nodes=self._nodes - 1, characters=self._characters)
        outer, self._deepest = self._deepest, depth
        if event.anchor is not None:
            self._anchors[event.anchor] = anchored
        node = self._content(event, depth)
        anchored.node = node
        anchored.nodes = self._nodes - anchored.nodes
        anchored.characters = self._characters - anchored.characters
        anchored.height = self._deepest - depth
        self._deepest = max(outer, self._deepest)
        return node

    def _count(self, span: Span, depth: int) -> None:
        self._written += 1
        self._nodes += 1
        if self._written > MAX_NODES:
            self._stop("PD111", f"the file has more than {MAX_NODES:,} values and keys", span)
        if depth >= MAX_DEPTH:
            self._stop("PD110", f"nested more than {MAX_DEPTH} levels deep", span)

    def _tag(self, event: Any, span: Span) -> None:
        start = self._text.rfind("!", 0, event.end_mark.index) if event.anchor else event.start_mark.index
        self._diagnostics.add(
            "PD107",
            f"the tag {quote(str(event.tag).replace('tag:yaml.org,2002:', '!!'))} is not supported",
            self._span(start, start + 1) if start >= 0 else span,
            hint="leave it out; quote what should be text",
        )

    def _alias(self, event: Any, depth: int) -> Node:
        self._written += 1
        span = self._span(event.start_mark.index, event.end_mark.index)
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            raise self._stopped(
                "PD115", f"no anchor {quote('&' + event.anchor)} stands before this alias", span
            )
        if anchored.node is None:
            raise self._stopped(
                "PD114", f"the alias {quote('*' + event.anchor)} stands inside what it names", span
            )
        self._nodes += anchored.nodes
        self._characters += anchored.characters
        self._deepest = max(self._deepest, depth + anchored.height)
        self._largest_alias = max(self._largest_alias, (anchored.nodes + anchored.characters, span))
        if depth + anchored.height >= MAX_DEPTH:
            self._stop("PD110", f"with this alias nested more than {MAX_DEPTH} levels deep", span)
        return anchored.node

    def _content(self, event: ScalarEvent | SequenceStartEvent | MappingStartEvent, depth: int) -> Node:
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if isinstance(event, SequenceStartEvent):
            return self._list(event, depth)
        return self._map(event, depth)

    def _list(self, event: Any, depth: int) -> ListNode:
        items = []
        while not isinstance(following := self._take(), SequenceEndEvent):
            items.append(self._node(following, depth + 1))
        return ListNode(span=self._collection_span(event, following, items), items=tuple(items))

    def _map(self, event: Any, depth: int) -> MapNode:
        entries: dict[str, Entry] = {}
        last: list[Node] = []
        while not isinstance(following := self._take(), MappingEndEvent):
            key = self._key(self._node(following, depth + 1))
            value = self._node(self._take(), depth + 1)
            last = [value]
            if key.text in entries:
                self._duplicate(key, entries[key.text].key)
            else:
                entries[key.text] = Entry(key=key, value=value)
        return MapNode(span=self._collection_span(event, following, last), entries=tuple(entries.values()))

    def _collection_span(self, start: Any, end: Any, items: list[Node]) -> Span:
        # A block collection "ends" where the next token begins; its last item tells better.
        span = self._span(start.start_mark.index, end.end_mark.index)
        return (
            span if start.flow_style or not items else Span(span.start, max(span.start, items[-1].span.end))
        )

    def _key(self, node: Node) -> ScalarNode:
        if not isinstance(node, ScalarNode):
            hint = "an expression is written ${ … }, in quotes" if isinstance(node, MapNode) else None
            self._diagnostics.add("PD119", "a key must be text", node.span, hint=hint)
            return ScalarNode(
                span=node.span, text="", value="", text_map=text_map("", None, "", 0, self._lines)
            )
        if node.text == "<<":
            hint = "write the keys out; whole values may be shared with anchors"
            self._diagnostics.add("PD108", "merge keys are not supported", node.span, hint=hint)
        if not isinstance(node.value, str):
            hint = f'write "{node.text}": in quotes' if node.text else "write a key before ':'"
            self._diagnostics.add("PD119", "a key must be text", node.span, hint=hint)
        return node

    def _duplicate(self, key: ScalarNode, first: ScalarNode) -> None:
        if not isinstance(key.value, str):
            return
        related = Related(span=first.span, message="first here")
        message = f"the key {quote(key.text)} stands twice; first on line {first.span.start.line}"
        self._diagnostics.add("PD106", message, key.span, related=[related])

    def _scalar(self, event: Any) -> ScalarNode:
        start, end = event.start_mark.index, event.end_mark.index
        text: str = event.value
        self._characters += len(text)
        if event.style in ("|", ">"):
            end = start + len(self._text[start:end].rstrip())
        written = self._text[start:end]
        span = self._span(start, end)
        # The line that opens a block of text may end with a comment.
        self.texts.append((self._text.find("\n", start) if event.style in ("|", ">") else start, end))
        if len(text) > MAX_SCALAR:
            self._stop(
                "PD112", f"a text of more than {MAX_SCALAR:,} characters", Span(span.start, span.start)
            )
        value: str | int | float | bool | None = text
        if event.style is None:
            value = self._plain(text, start, end, span)
        elif found := _NOWHERE.search(text):
            self._diagnostics.add(
                "PD118", f"the character U+{ord(found[0]):04X} may not stand in a text", span
            )
        mapped = text_map(text, event.style, written, start, self._lines)
        return ScalarNode(span=span, text=text, value=value, text_map=mapped)

    def _plain(self, text: str, start: int, end: int, span: Span) -> str | int | float | bool | None:
        torn = unclosed(text) if "${" in text else None
        if torn is not None:
            self._torn(start + torn, end)
        resolved = resolve(text)
        if resolved.code:
            self._diagnostics.add(resolved.code, resolved.problem, span)
        return resolved.value

    def _torn(self, start: int, end: int) -> None:
        """Stops at an expression that YAML has ended too early: at ``: `` or at a comment."""
        after = self._text[end : whole_line(self._text, end)].lstrip(" \t")
        span = self._span(start, whole_line(self._text, start))
        if after.startswith(":"):
            message = "YAML read ': ' inside an unquoted expression as a mapping"
            raise self._stopped("PD102", message, span, QUOTE_IT)
        if after.startswith("#"):
            message = "YAML took ' #' inside an unquoted expression as a comment"
            raise self._stopped("PD103", message, span, QUOTE_IT)
