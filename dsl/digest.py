"""The identity of a document's meaning: places, comments and formatting do not change it."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from perdure.dsl.expr.ast import without_positions
from perdure.dsl.model import Workflow

_NO_MEANING = frozenset({"file", "policy"})
"""What a file and a policy are called, beside where things stand (``…span``, ``…spans``)."""
_BY_NAME = frozenset({"variables", "events", "errors"})
"""Maps of the header whose order means nothing, no more than that of tags does anywhere."""


def document_digest(workflow: Workflow) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON of a document.

    Equal for documents that differ in layout, comments, or the order of declarations only. The order of
    keys inside values counts, since values are passed on as they are written.
    """
    return hashlib.sha256(msgspec.json.encode(_canonical(workflow))).hexdigest()


def _canonical(item: Any) -> Any:
    if is_dataclass(item) and not isinstance(item, type):
        names = [each.name for each in fields(item) if _means_something(each.name)]
        return [type(item).__name__, *([name, _field(item, name)] for name in names)]
    if isinstance(item, tuple):
        return [_canonical(part) for part in item]
    if isinstance(item, msgspec.Struct):
        return without_positions(item)  # type: ignore[arg-type]
    return item


def _means_something(name: str) -> bool:
    return name not in _NO_MEANING and not name.endswith(("span", "spans"))


def _field(item: Any, name: str) -> Any:
    value = getattr(item, name)
    if name == "tags" or (name in _BY_NAME and isinstance(item, Workflow)):
        value = tuple(sorted(value, key=lambda each: each[0] if isinstance(each, tuple) else each.name))
    return _canonical(value)
