"""A YAML file as its author wrote it: the values with their quotes, anchors, comments and blank lines.

For the formatter. ``reader`` says whether a text is sound; this reads texts that are. A comment belongs to
the key or item that it stands above or beside; what stands below the last one of a block, at its depth
or deeper, is the block's ``foot``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
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

_ANCHOR = re.compile(r"&[^\s\[\]{},]+")
_SPACE = re.compile(r"(?:\s+|#[^\n]*)*")
_WORD_OR_COMMENT = re.compile(r"[&*][^\s\[\]{},]+|#[^\n]*")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(slots=True, eq=False)
class Comment:
    """A comment with its ``#``; ``blank`` says that an empty line stands above it.

    ``gap`` counts the spaces between it and what it stands beside.
    """

    text: str
    offset: int
    column: int
    gap: int
    own_line: bool
    blank: bool


@dataclass(slots=True, eq=False)
class Scalar:
    """Text; ``raw`` as it is written, ``value`` what it means before a plain one is resolved.

    ``column`` is that of the block around it, which a block scalar counts its indentation from.
    """

    raw: str
    value: str
    style: str | None
    anchor: str | None
    column: int


@dataclass(slots=True, eq=False)
class Alias:
    """``*name``."""

    name: str


@dataclass(slots=True, eq=False)
class Collection:
    """A mapping or a list. ``inline``: between brackets on one line; ``end``: where its bracket closes."""

    mapping: bool
    inline: bool
    anchor: str | None
    column: int
    entries: list[Entry] = field(default_factory=list)
    foot: list[Comment] = field(default_factory=list)
    end: int | None = None


Written: TypeAlias = Scalar | Alias | Collection


@dataclass(slots=True, eq=False)
class Entry:
    """A key with its value, or an item (``key`` is None).

    ``above`` are the comments before it, ``beside`` the one at the end of its line with those that go on
    below it in the same column; ``blank`` says that an empty line stands before the key or dash.
    """

    key: Scalar | Alias | None
    value: Written
    blank: bool
    above: list[Comment] = field(default_factory=list)
    beside: list[Comment] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class WrittenDocument:
    """One document: comments before its ``---`` if it has one, comments below that, and the mapping."""

    before: list[Comment]
    marked: bool
    head: list[Comment]
    root: Collection


def written(text: str) -> list[WrittenDocument]:
    """The documents of a text that ``reader.read`` has found sound, with a mapping each."""
    return list(_Reading(text).documents())


class _Reading:
    """The state of reading one text: its events, and the comments that have no place yet."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events: deque[Event] = deque(YAML(typ="safe", pure=True).parse(text))
        self._ends: list[int] = [0]
        self._comments = deque(self._find())
        self._recent: Entry | None = None
        self._beside: list[Comment] | None = None
        self._closed: list[Collection] = []

    # Comments ---------------------------------------------------------------------------------

    def _find(self) -> Iterator[Comment]:
        """All comments, from the gaps between scalars."""
        at = 0
        for event in self._events:
            if isinstance(event, ScalarEvent):
                for start, end in self._solid(event):
                    yield from self._gap(at, start)
                    at = end
                    self._ends.append(end)
        yield from self._gap(at, len(self._text))

    def _solid(self, event: Any) -> Iterator[tuple[int, int]]:
        """Where no comment can be: a scalar without its anchor; the line of ``|`` is apart from the rest."""
        start, end = self._inside(event)
        if event.style in ("|", ">"):
            body = self._text.find("\n", start, end)
            yield start, start + len(block_header(self._text[start:end]))
            keeps = "+" in block_header(self._text[start:end])
            start = end if body < 0 else body
            end = end if keeps else start + len(self._text[start:end].rstrip())
        if end > start:
            yield start, end

    def _inside(self, event: Any) -> tuple[int, int]:
        start, end = event.start_mark.index, event.end_mark.index
        if event.anchor is not None:
            anchor = _ANCHOR.match(self._text, start)
            assert anchor, "the anchor stands first"
            after = _SPACE.match(self._text, anchor.end())
            start = min(after.end() if after else end, end)
        return start, max(start, end)

    def _gap(self, start: int, end: int) -> Iterator[Comment]:
        last = start
        for found in _WORD_OR_COMMENT.finditer(self._text, start, end):
            if not found[0].startswith("#"):
                continue
            line = self._text.rfind("\n", 0, found.start()) + 1
            before = self._text[line : found.start()]
            yield Comment(
                text=found[0].rstrip(),
                offset=found.start(),
                column=found.start() - line,
                gap=len(before) - len(before.rstrip()),
                own_line=not before.strip(" \t\ufeff"),
                blank=_BLANK_LINE.search(self._text, last, found.start()) is not None,
            )
            last = found.end()
            self._ends.append(last)

    def _take(self, offset: int) -> Iterator[Comment]:
        while self._comments and self._comments[0].offset < offset:
            yield self._comments.popleft()

    def _place(self, offset: int, inside: Collection | None, above: list[Comment]) -> None:
        """Give the comments before an offset to whom they belong; ``above`` is of what stands there."""
        for comment in self._take(offset):
            if not comment.own_line and self._recent is not None:
                self._beside = self._recent.beside
                self._beside.append(comment)
            elif self._beside and not comment.blank and comment.column == self._beside[-1].column:
                self._beside.append(comment)
            else:
                self._beside = None
                self._owner(comment, inside, above).append(comment)
            self._recent = None
        self._beside = self._recent = None
        self._closed.clear()

    def _owner(self, comment: Comment, inside: Collection | None, above: list[Comment]) -> list[Comment]:
        """Above what follows, or at the foot of a block that has ended and is not deeper than the comment."""
        around = [*self._closed, *([inside] if inside else [])]  # the innermost first
        fitting = [each for each in around if each.column <= comment.column] or around[-1:]
        if not fitting or (chosen := max(reversed(fitting), key=lambda each: each.column)) is inside:
            self._closed.clear()
            return above
        del self._closed[: self._closed.index(chosen)]
        return chosen.foot

    def _blank(self, offset: int) -> bool:
        """Whether an empty line stands before what begins here."""
        last = self._ends[bisect_right(self._ends, offset) - 1]
        return _BLANK_LINE.search(self._text, last, offset) is not None

    # Values -----------------------------------------------------------------------------------

    def documents(self) -> Iterator[WrittenDocument]:
        """One after the other."""
        while self._events:
            event: Any = self._events.popleft()
            if isinstance(event, DocumentStartEvent):
                yield self._document(event)

    def _document(self, start: Any) -> WrittenDocument:
        marked = bool(start.explicit)
        before = list(self._take(start.start_mark.index + 1)) if marked else []
        event: Any = self._events.popleft()
        head = list(self._take(event.start_mark.index))
        root = self._value(event, None, None)
        assert isinstance(root, Collection), "a sound document is a mapping"
        root.inline = False
        following: Any = next((each for each in self._events if isinstance(each, DocumentStartEvent)), None)
        end = len(self._text) + 1 if following is None else following.start_mark.index
        if not self._closed or self._closed[-1] is not root:
            self._closed.append(root)
        self._place(end, None, [])
        return WrittenDocument(before=before, marked=marked, head=head, root=root)

    def _value(self, event: Any, inside: Collection | None, entry: Entry | None) -> Written:
        match event:
            case AliasEvent():
                self._recent = entry
                return Alias(event.anchor)
            case ScalarEvent():
                self._recent = entry
                return self._scalar(event, inside)
            case _:
                return self._collection(event, inside, entry)

    def _scalar(self, event: Any, inside: Collection | None) -> Scalar:
        start, end = self._inside(event)
        return Scalar(
            raw=self._text[start:end],
            value=event.value,
            style=event.style,
            anchor=event.anchor,
            column=inside.column if inside else 0,
        )

    def _collection(self, event: Any, inside: Collection | None, entry: Entry | None) -> Collection:
        assert isinstance(event, SequenceStartEvent | MappingStartEvent)
        flow = bool(event.flow_style)
        found = Collection(
            mapping=isinstance(event, MappingStartEvent),
            inline=False,
            anchor=event.anchor,
            column=event.end_mark.column if not flow else inside.column if inside else 0,
        )
        while not isinstance(following := self._events.popleft(), SequenceEndEvent | MappingEndEvent):
            found.entries.append(self._entry(following, found))
        end: Any = following
        if flow:
            found.end = end.start_mark.index
            found.inline = "\n" not in self._text[event.start_mark.index : end.end_mark.index]
            self._recent = self._recent or entry
            self._place(end.end_mark.index, None, found.foot)
            self._recent = entry
        else:
            self._closed.append(found)
        return found

    def _entry(self, event: Any, inside: Collection) -> Entry:
        start = event.start_mark.index
        entry = Entry(key=None, value=Alias(""), blank=self._blank(start))
        self._place(start, inside, entry.above)
        if inside.mapping:
            key = self._value(event, inside, None)
            assert not isinstance(key, Collection), "a sound key is text"
            entry.key = key
            event = self._events.popleft()
            self._recent = entry
            if isinstance(event, ScalarEvent | AliasEvent):
                self._place(self._start(event), None, entry.above)
        elif event.anchor and isinstance(event, ScalarEvent):
            self._place(self._start(event), None, entry.above)
        entry.value = self._value(event, inside, entry)
        if isinstance(entry.value, Collection) and not entry.value.entries:
            entry.above += entry.value.foot
            entry.value.foot = []
        return entry

    def _start(self, event: Any) -> int:
        start: int = self._inside(event)[0] if isinstance(event, ScalarEvent) else event.start_mark.index
        return start


def block_header(raw: str) -> str:
    """``|``, ``>-`` and the like, at the beginning of a block scalar."""
    found = re.match(r"[|>][-+0-9]*", raw)
    return found[0] if found else ""
