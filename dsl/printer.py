"""A written document back to text: two spaces a level, comments beside what they belong to."""

from __future__ import annotations

import re

from perdure.dsl.written import (
    Alias,
    Collection,
    Comment,
    Entry,
    Scalar,
    Written,
    WrittenDocument,
    block_header,
)

_STEP = 2
_NEAR = 2
"""A comment with more spaces before it is aligned with others."""


def print_documents(documents: list[WrittenDocument]) -> str:
    """The text of a file."""
    lines: list[str] = []
    for number, document in enumerate(documents):
        printing = _Printing()
        printing.comments(document.before, 0)
        if document.marked or number:
            printing.lines.append("---")
        printing.comments(document.head, 0)
        printing.entries(document.root, 0, after=bool(document.head))
        lines += printing.lines
    return "\n".join(lines) + "\n"


class _Printing:
    """The lines of one document."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def comments(self, comments: list[Comment], indent: int, *, after: bool = False) -> None:
        """Comments on lines of their own; an empty line above the first only ``after`` something."""
        for number, comment in enumerate(comments):
            if comment.blank and (number or after):
                self.lines.append("")
            self.lines.append(" " * indent + comment.text)

    def entries(self, block: Collection, indent: int, *, after: bool = False, dash: str = "") -> None:
        """The entries of a block, and what stands at its foot. ``dash`` stands before the first one."""
        for number, entry in enumerate(block.entries):
            first = number == 0
            above = [] if first and dash else _above(entry)
            self.comments(above, indent, after=after or not first)
            if entry.blank and (above or after or not first) and not (first and dash):
                self.lines.append("")
            lead = dash if first and dash else " " * indent
            if block.mapping:
                self._value(entry, f"{lead}{_key(entry)}:", indent)
            else:
                self._value(entry, f"{lead}-", indent)
        self.comments(block.foot, indent, after=True)

    def _value(self, entry: Entry, head: str, indent: int) -> None:
        value = entry.value
        if isinstance(value, Collection) and _is_block(value):
            if _is_dashed(entry):
                self.entries(value, indent + _STEP, dash=head + " ")
            else:
                self._line(head + _anchor(value), entry.beside)
                self.entries(value, indent + _STEP)
            return
        if isinstance(value, Scalar) and value.style in ("|", ">"):
            header, *body = _block(value, indent + _STEP)
            self._line(f"{head}{_anchor(value)} {header}", entry.beside)
            self.lines += body
            return
        first, *more = _inline(value).split("\n")
        *before, last = (
            f"{head} {first}".rstrip(),
            *(" " * (indent + _STEP) + each if each else "" for each in more),
        )
        self.lines += before
        self._line(last, entry.beside)

    def _line(self, text: str, beside: list[Comment]) -> None:
        """A line with its comments: near it, or in the column where they were if that is free."""
        if not beside:
            self.lines.append(text)
            return
        gap, column = beside[0].gap, beside[0].column
        if gap <= _NEAR or column <= len(text):
            column = len(text) + min(max(gap, 1), _NEAR)
        for comment in beside:
            self.lines.append(text.ljust(column) + comment.text)
            text = ""


def _above(entry: Entry) -> list[Comment]:
    """The comments above an entry, with those that would stand between its dash and what follows."""
    if not _is_dashed(entry):
        return entry.above
    assert isinstance(entry.value, Collection)
    return [*entry.above, *entry.beside, *_above(entry.value.entries[0])]


def _is_dashed(entry: Entry) -> bool:
    """Whether a block begins on the line of the dash."""
    value = entry.value
    return entry.key is None and _is_block(value) and value.anchor is None  # type: ignore[union-attr]


def _is_block(value: Written) -> bool:
    return isinstance(value, Collection) and bool(value.entries) and not value.inline


def _anchor(value: Scalar | Collection) -> str:
    return f" &{value.anchor}" if value.anchor else ""


def _key(entry: Entry) -> str:
    match entry.key:
        case Alias(name=name):
            return f"*{name} "
        case Scalar(raw=raw, style=style, anchor=anchor, value=value):
            shown = _quoted(value) if "\n" in raw or style in ("|", ">") else raw
            return f"&{anchor} {shown}" if anchor else shown
        case _:
            raise AssertionError("an entry of a mapping has a key")


def _inline(value: Written) -> str:
    """A value on one line; a text of several lines has the later ones without indentation."""
    if isinstance(value, Alias):
        return f"*{value.name}"
    text = _scalar(value) if isinstance(value, Scalar) else _collection(value)
    return f"&{value.anchor} {text}".rstrip(" ") if value.anchor else text


def _scalar(value: Scalar) -> str:
    first, *more = value.raw.split("\n")
    return "\n".join([first.rstrip(" \t"), *(each.strip(" \t") for each in more)]) if more else first


def _collection(value: Collection) -> str:
    if not value.mapping:
        return "[" + ", ".join(_in_brackets(each.value) for each in value.entries) + "]"
    items = ", ".join(f"{_key(each)}: {_in_brackets(each.value)}" for each in value.entries)
    return f"{{ {items} }}" if items else "{}"


def _in_brackets(value: Written) -> str:
    """Between brackets nothing must be spelled, or a comma would end up beside a colon."""
    nothing = isinstance(value, Scalar) and not value.raw
    return f"{_inline(value)} null".strip() if nothing else _inline(value)


def _block(scalar: Scalar, indent: int) -> list[str]:
    """The lines of a block scalar: its header, then what it holds at another depth."""
    header = block_header(scalar.raw)
    lines = scalar.raw.removesuffix("\n").split("\n")[1:]
    given = next((int(each) for each in header if each.isdigit()), None)
    if given is None:
        depth = next((len(each) - len(each.lstrip(" ")) for each in lines if each.strip(" ")), indent)
    else:
        depth = scalar.column + given
        header = header.replace(str(given), str(_STEP))
    if "+" not in header:
        while lines and not lines[-1][depth:] and not lines[-1].strip(" "):
            lines.pop()
        if lines and not scalar.value.endswith("\n") and "-" not in header:
            header += "-"  # at the end of a file without a last line feed
    return [header, *(" " * indent + each[depth:] if each[depth:] else "" for each in lines)]


def _quoted(text: str) -> str:
    """Text in double quotes, on one line."""

    def escaped(found: re.Match[str]) -> str:
        code = ord(found[0])
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + re.sub(r"[^ -~\xa1-\ud7ff]", escaped, text) + '"'
