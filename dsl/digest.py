"""The identity of a document's meaning: places, comments and formatting do not change it."""

from __future__ import annotations

import hashlib
from dataclasses import Field, fields, is_dataclass
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from perdure.dsl.cases import Cases
from perdure.dsl.expr.ast import without_positions
from perdure.dsl.model import Entity, Workflow

_NO_MEANING = frozenset({"file", "policy"})
"""What a file and a policy are called, beside where things stand (``…span``, ``…spans``)."""
_UNORDERED = {
    (Workflow, "variables"): attrgetter("name"),
    (Workflow, "events"): attrgetter("name"),
    (Workflow, "errors"): attrgetter("name"),
    (Workflow, "functions"): attrgetter("name"),
    (Workflow, "queries"): attrgetter("name"),
    (Workflow, "retries"): attrgetter("policy"),
    (Entity, "operations"): attrgetter("name"),
}
"""Maps whose order means nothing, no more than that of tags does anywhere."""


def document_digest(document: Workflow | Entity | Cases) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of a document.

    Equal for documents that differ in layout, comments, or the order of declarations only. The order of
    keys inside values counts, since values are passed on as they are written. What a document does not use
    is not part of its digest, so that the language can grow.
    """
    return hashlib.sha256(msgspec.json.encode(_canonical(document))).hexdigest()


def _canonical(item: Any) -> Any:
    if is_dataclass(item) and not isinstance(item, type):
        used = [each.name for each in fields(item) if _means_something(each, getattr(item, each.name))]
        return [type(item).__name__, *([name, _field(item, name)] for name in used)]
    if isinstance(item, tuple):
        return [_canonical(part) for part in item]
    if isinstance(item, msgspec.Struct):
        return without_positions(item)  # type: ignore[arg-type]
    return item


def _means_something(field: Field[Any], value: Any) -> bool:
    if field.name in _NO_MEANING or field.name.endswith(("span", "spans")):
        return False
    return not (value == field.default and type(value) is type(field.default))


def _field(item: Any, name: str) -> Any:
    value = getattr(item, name)
    if name in ("tags", "child_tags"):
        value = tuple(sorted(value, key=itemgetter(0)))
    elif key := _UNORDERED.get((type(item), name)):
        value = tuple(sorted(value, key=key))
    return _canonical(value)
