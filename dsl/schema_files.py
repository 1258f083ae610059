"""``$ref`` to another file in a JSON Schema: the file is put in, so that a document stands on its own.

``schemas/order.json#/properties/total`` names a JSON file in the folder of the document or below it. Each
file comes in once, under ``$defs`` of the schema that needs it, and references are changed to lead there;
a schema that is nothing but a reference to a file is replaced by what the file holds. Reading is left to
whoever loads the document; nothing is fetched from a network.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, TypeGuard

from perdure.dsl.diagnostics import quote
from perdure.dsl.nesting import depth, mappings

Read: TypeAlias = Callable[[str], bytes]
"""Gives the bytes of a file by its path from the folder of the document, with '/'. Raises OSError."""

MAX_FILES = 50
"""Files that one schema may need."""
MAX_BYTES = 256 * 1024
"""Bytes of one file."""
MAX_DEPTH = 64
_OTHER_PLACES = re.compile(r"^/|\\|^[A-Za-z][A-Za-z0-9+.-]*:")


class SchemaFileError(Exception):
    """A file cannot be put in. ``reference`` is the ``$ref`` of the document that led to it."""

    def __init__(self, message: str, reference: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.reference = reference
        self.hint = hint


def file_references(schema: Any) -> Iterator[str]:
    """Every ``$ref`` of a schema that leads to another file."""
    return (each["$ref"] for each in mappings(schema) if _leads_away(each.get("$ref")))


def with_files(schema: Any, read: Read | None) -> Any:
    """A schema with the files that it refers to put in; the schema itself when it refers to none.

    Raises SchemaFileError.
    """
    return schema if next(file_references(schema), None) is None else _Bundle(read).make(schema)


class _Bundle:
    """Puts files into one schema."""

    def __init__(self, read: Read | None) -> None:
        self._read = read
        self._pointers: dict[str, str] = {}
        """Of each file, the JSON Pointer to where it is put."""
        self._taken: Any = {}
        """What the schema has under ``$defs`` itself."""
        self._waiting: list[tuple[str, Any, str]] = []
        """Files whose references are still to be changed: path, schema, and what led there."""

    def make(self, schema: Any) -> Any:
        self._taken = schema.get("$defs") or {}
        reference = schema.get("$ref") if len(schema) == 1 else None
        if isinstance(reference, str) and "#" not in reference:
            path = self._path(reference, "", reference)
            self._pointers[path] = ""
            result = self._changed(self._file(path, reference), path, "", reference)
        else:
            result = self._changed(schema, "", "", None)
        definitions = {}
        while self._waiting:
            path, found, led_here = self._waiting.pop()
            definitions[path] = self._changed(found, path, self._pointers[path], led_here)
        if definitions:
            result = {**result, "$defs": {**result.get("$defs", {}), **dict(sorted(definitions.items()))}}
        return result

    def _changed(self, part: Any, file: str, pointer: str, led_here: str | None) -> Any:
        """A part of a schema with its references changed; ``pointer`` is where its file is put."""
        if isinstance(part, list):
            return [self._changed(each, file, pointer, led_here) for each in part]
        if not isinstance(part, dict):
            return part
        changed = {key: self._changed(each, file, pointer, led_here) for key, each in part.items()}
        reference = part.get("$ref")
        if _leads_away(reference):
            changed["$ref"] = self._target(reference, file, led_here or reference)
        elif isinstance(reference, str) and file:
            if not re.match("#(/|$)", reference):
                message = f"{quote(reference)} in {file} is no JSON Pointer"
                raise SchemaFileError(message, led_here or reference, "write '#/$defs/name'")
            changed["$ref"] = f"#{pointer}{reference[1:]}"
        return changed

    def _target(self, reference: str, file: str, led_here: str) -> str:
        name, _, inside = reference.partition("#")
        if inside and not inside.startswith("/"):
            message = f"{quote('#' + inside)} is no JSON Pointer"
            raise SchemaFileError(message, led_here, "write '#/$defs/name'")
        path = self._path(name, posixpath.dirname(file), led_here)
        if path not in self._pointers:
            if len(self._pointers) >= MAX_FILES:
                raise SchemaFileError(f"the schema needs more than {MAX_FILES} files", led_here)
            if path in self._taken:
                message = f"'$defs' has an entry {quote(path)} already, which is the name of a file"
                raise SchemaFileError(message, led_here, "give the entry another name")
            self._pointers[path] = "/$defs/" + path.replace("~", "~0").replace("/", "~1")
            self._waiting.append((path, self._file(path, led_here), led_here))
        return f"#{self._pointers[path]}{inside}"

    def _path(self, name: str, folder: str, led_here: str) -> str:
        """A file's path from the folder of the document."""
        path = posixpath.normpath(posixpath.join(folder, name))
        if _OTHER_PLACES.search(name) or path.startswith("../") or path in (".", ".."):
            hint = "schema files lie in the folder of the workflow file or below it: schemas/order.json"
            raise SchemaFileError(f"{quote(name)} is not a file beside this one", led_here, hint)
        return path

    def _file(self, path: str, led_here: str) -> Any:
        if self._read is None:
            hint = "deploy with 'perdure deploy', which puts schema files in; or write the schema here"
            raise SchemaFileError("'$ref' to another file can only be followed on disk", led_here, hint)
        try:
            data = self._read(path)
        except OSError as error:
            message = f"cannot read {quote(path)}: {error.strerror or error}"
            raise SchemaFileError(message, led_here) from None
        if len(data) > MAX_BYTES:
            raise SchemaFileError(f"{quote(path)} is larger than {MAX_BYTES // 1024} KiB", led_here)
        try:
            schema = json.loads(data, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            message = f"{quote(path)} is not JSON: {error}"
            raise SchemaFileError(message, led_here) from None
        if not isinstance(schema, dict | bool) or depth(schema, MAX_DEPTH) > MAX_DEPTH:
            raise SchemaFileError(f"{quote(path)} does not hold a JSON Schema", led_here)
        if isinstance(schema, dict):
            schema.pop("$id", None)  # its own references would be relative to it
        return schema


def _leads_away(reference: Any) -> TypeGuard[str]:
    return isinstance(reference, str) and not reference.startswith("#")


def _no_number(text: str) -> Any:
    raise ValueError(f"there is no number {text}")
