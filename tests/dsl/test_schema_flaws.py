"""Schemas that would fail with whatever value is held against them are refused with the document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from referencing import Registry

from perdure.dsl.schema_flaws import dialect_of, flaws, not_a_schema
from tests.dsl.test_schema_files import with_schema

DRAFT7 = "http://json-schema.org/draft-07/schema#"
NOWHERE = "is not in this schema"
BROKEN: list[tuple[Any, Any, str]] = [
    ("a", {"pattern": "("}, "'(' is no regular expression: missing ), unterminated subpattern"),
    ("a", {"pattern": r"^\p{L}+$"}, r"is no regular expression: bad escape \p"),
    ("a", {"pattern": "a{4294967296}"}, "it is beyond what can be matched"),
    ({"b": 1}, {"patternProperties": {"[": {}}}, "'[' is no regular expression"),
    ({"b": 1}, {"propertyNames": {"pattern": "*"}}, "'*' is no regular expression"),
    (
        {"b": 1},
        {"patternProperties": {"^a": {}, "(?i)^c": {}}, "additionalProperties": False},
        "cannot be put together to tell what is additional",
    ),
    (["a"], {"items": {"allOf": [{"not": {"pattern": "("}}]}}, "no regular expression"),
    (1, {"$ref": "#item"}, f"'#item' {NOWHERE}"),
    (1, {"$ref": "#/$defs/a", "$defs": {"b": {}}}, NOWHERE),
    (1, {"$dynamicRef": "#item"}, f"'#item' {NOWHERE}"),
    (1, {"$dynamicRef": "https://example.org/item"}, NOWHERE),
    (1, {"$ref": "#/allOf/x", "allOf": [{}]}, NOWHERE),
    (1, {"allOf": [{"$id": "https://example.org/a", "$ref": "#/$defs/b"}], "$defs": {"b": {}}}, NOWHERE),
    (1, {"$id": "http://[a", "$ref": "#b", "$defs": {"b": {"$anchor": "b"}}}, "is no URI"),
    (1, {"$id": "https://example.org/a", "allOf": [{"$id": "http://[a"}]}, "is no URI"),
    (1, {"$id": "https://a.org/a", "$ref": "#/x", "x": {"allOf": [{"$id": "http://[a"}]}}, "is no URI"),
    (1, {"$ref": "#/title", "title": "text"}, "'#/title' is no schema"),
    (1, {"$ref": "#/x", "x": {"type": "numeric"}}, "not a JSON Schema: 'numeric'"),
    ("a", {"$ref": "#/x/0", "x": [{"pattern": "("}]}, "no regular expression"),
    ("a", {"$schema": DRAFT7, "$ref": "#/$defs/a", "$defs": {"a": {"type": 1}}}, "not a JSON Schema"),
    (1, {"$dynamicRef": "#"}, "'#' leads back to itself"),
    (1, {"$anchor": "a", "anyOf": [{"$ref": "#a"}]}, "'#a' leads back to itself"),
    ({"b": 1}, {"dependentSchemas": {"b": {"$ref": "#"}}}, "'#' leads back to itself"),
]
SOUND: list[tuple[Any, Any]] = [
    ("ab", {"pattern": "^[a-z]{2}$"}),
    ({"A": 1, "b": 2}, {"patternProperties": {"(?i)^a": {"type": "integer"}, "^b": {}}}),
    ({"pattern": {"$ref": 1}}, {"properties": {"pattern": {"properties": {"$ref": {"type": "integer"}}}}}),
    ({"pattern": "("}, {"const": {"pattern": "("}}),
    ([[]], {"$dynamicAnchor": "node", "items": {"$dynamicRef": "#node"}}),
    ({"a": {"a": {}}}, {"$id": "https://example.org/a", "properties": {"a": {"$ref": "#"}}}),
    (1, {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"$anchor": "b"}}, "allOf": [{"$ref": "#b"}]}),
    (1, {"$schema": DRAFT7, "$ref": "#/definitions/a", "pattern": "(", "definitions": {"a": {}}}),
    (1, {"$ref": "#/x", "x": {"type": "integer"}}),
    (1, True),
]


def fails(schema: Any, value: Any) -> bool:
    """Whether the validator of instances fails, rather than to say whether the value fits."""
    try:
        validator = dialect_of(schema)(schema, registry=Registry())
        list(validator.iter_errors(value))
    except Exception:  # noqa: BLE001
        return True
    return False


@pytest.mark.parametrize(("value", "schema", "said"), BROKEN, ids=[json.dumps(each[1]) for each in BROKEN])
def test_a_schema_that_fails_with_every_value_is_refused(value: Any, schema: Any, said: str) -> None:
    """It was deployed, and each start raised what was no refusal."""
    assert not_a_schema(schema, dialect_of(schema)) is None
    assert said in "\n".join(each.message for each in flaws(schema))
    (found,) = with_schema(json.dumps(schema), {}).diagnostics
    assert (found.code, said in found.message) == ("PD222", True)


@pytest.mark.parametrize(("value", "schema"), SOUND, ids=[json.dumps(each[1]) for each in SOUND])
def test_a_schema_that_never_fails_is_accepted(value: Any, schema: Any) -> None:
    """What only looks like a reference or a pattern is none."""
    assert list(flaws(schema)) == []
    assert not fails(schema, value)


def test_every_schema_that_is_refused_did_fail() -> None:
    """The rule is not stricter than the validator: it fails with the value beside each of them."""
    assert [schema for value, schema, _ in BROKEN if not fails(schema, value)] == []
