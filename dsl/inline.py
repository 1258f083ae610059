"""A file that stands on its own: with the files put in that its JSON Schemas refer to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from perdure.dsl.decode_keys import entries, is_declaration
from perdure.dsl.diagnostics import Collector
from perdure.dsl.forms import plain
from perdure.dsl.nodes import MapNode, Node
from perdure.dsl.reader import read
from perdure.dsl.schema_files import Read, file_references, with_files
from perdure.dsl.source import Position, Source

_ANCHOR = re.compile(r"&[^\s\[\]{},]+\s+")


def inlined(source: Source, files: Read) -> Source:
    """The text with each schema that needs files written out; nothing else is changed.

    For a file that ``load`` finds no errors in, with the same ``files``. Raises SchemaFileError when a file
    has gone since.
    """
    text = source.text.removeprefix("\ufeff")
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)

    def offset(position: Position) -> int:
        return starts[position.line - 1] + position.column - 1

    found = {
        node.span: plain(node)
        for document in read(Source(source.name, text), Collector(source.name))
        if isinstance(document.root, MapNode)
        for node in _schemas(document.root)
    }
    for span, schema in sorted(found.items(), reverse=True):
        if next(file_references(schema), None) is not None:
            start, end = offset(span.start), offset(span.end)
            anchor = _ANCHOR.match(text, start)
            whole = json.dumps(with_files(schema, files), ensure_ascii=False)
            text = text[: anchor.end() if anchor else start] + whole + text[end:]
    return Source(source.name, text)


def _schemas(root: MapNode) -> Iterator[Node]:
    """The JSON Schemas of a document of any kind."""
    declared = [root.get(key) for key in ("input", "output", "state")]
    declared += [entry.value for key in ("events", "errors") for entry in entries(root.get(key))]
    declared += [entry.value for entry in entries(root.get("vars")) if is_declaration(entry.value)]
    for node in declared:
        if isinstance(node, MapNode) and (schema := node.get("schema")) is not None:
            yield schema
    for operation in entries(root.get("operations")):
        if isinstance(operation.value, MapNode) and (schema := operation.value.get("input")) is not None:
            yield schema
