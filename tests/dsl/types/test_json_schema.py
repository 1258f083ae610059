"""From JSON Schemas to types."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.dsl.numbers import declaring
from perdure.dsl.types.json_schema import type_of_schema
from perdure.dsl.types.kinds import DYN, MAX_SIZE, Object, describe
from tests.dsl.types.values import holds

SIMPLE: dict[str, tuple[Any, str]] = {
    "none": (None, "any"),
    "true": (True, "any"),
    "empty": ({}, "any"),
    "integer": ({"type": "integer", "minimum": 1}, "int"),
    "number": ({"type": "number"}, "number"),
    "format": ({"type": "string", "format": "date-time"}, "string"),
    "nullable": ({"type": ["string", "null"]}, "string or null"),
    "array": ({"type": "array", "items": {"type": "string"}}, "list(string)"),
    "array of anything": ({"type": "array"}, "list"),
    "tuple": (
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        "list(string or int)",
    ),
    "open tuple": ({"type": "array", "prefixItems": [{"type": "string"}]}, "list"),
    "old tuple": (
        {"type": "array", "items": [{"type": "string"}], "additionalItems": {"type": "null"}},
        "list(string or null)",
    ),
    "object": ({"type": "object"}, "map"),
    "properties without type": ({"properties": {"a": {"type": "string"}}}, "any"),
    "enum": ({"enum": ["a", "b", 1, None]}, "string, int or null"),
    "enum with type": ({"type": "string", "enum": ["a", 1]}, "string"),
    "const": ({"const": True}, "bool"),
    "whole const": ({"const": 1.0}, "number"),
    "anyOf": ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or int"),
    "oneOf beside type": ({"type": "string", "oneOf": [{"minLength": 1}, {"type": "null"}]}, "string"),
    "allOf": ({"allOf": [{"type": ["string", "null"]}, {"type": "string"}]}, "string"),
    "six kinds": ({"enum": [None, True, "a", 1, [], {}]}, "any"),
    "ref": ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, "string"),
    "ref with siblings": (
        {"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {"type": ["string", "null"]}}},
        "string",
    ),
    "ref of draft-07": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/a",
            "type": "string",
            "definitions": {"a": {"type": "integer"}},
        },
        "int",
    ),
    "foreign ref": ({"$ref": "https://example.com/x.json"}, "any"),
    "dangling ref": ({"$ref": "#/$defs/none"}, "any"),
    "ref to itself": ({"$ref": "#"}, "any"),
    "relative id": ({"anyOf": [{"$id": "x", "type": "string"}]}, "any"),
    "nonsense": ({"type": 7, "enum": "x", "allOf": {}, "required": 3}, "any"),
}


@pytest.mark.parametrize(("schema", "expected"), SIMPLE.values(), ids=SIMPLE)
def test_type_of_a_schema(schema: Any, expected: str) -> None:
    """Each keyword that says something of the type is understood, the others change nothing."""
    assert describe(type_of_schema(schema)) == expected


def test_only_a_closed_object_refuses_other_fields() -> None:
    """``additionalProperties: false`` closes; without it any other field may be there."""
    properties = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    opened, closed = (
        type_of_schema(properties),
        type_of_schema({**properties, "additionalProperties": False}),
    )
    assert isinstance(opened, Object)
    assert isinstance(closed, Object)
    assert (opened.rest, closed.rest, closed.required) == (DYN, None, frozenset({"a"}))


def test_all_of_merges_objects() -> None:
    """An object that satisfies two schemas has the fields of both."""
    one = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    other = {"type": "object", "properties": {"b": {"type": "integer"}}}
    found = type_of_schema({"allOf": [one, other]})
    assert isinstance(found, Object)
    assert {name: describe(kind) for name, kind in found.fields.items()} == {"a": "string", "b": "int"}


_BOMB = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}}
HOSTILE: list[Any] = [
    _BOMB,
    {"allOf": [{"$ref": "#"}] * 20},
    {"anyOf": [{"$ref": "#"}] * 20},
    {"type": "object", "properties": {f"p{n}": {"type": "array", "items": _BOMB} for n in range(5_000)}},
    {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    {"enum": [[[n] * 50] * 50 for n in range(1_000)]},
]


@pytest.mark.parametrize("schema", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_schema_gives_a_small_type(schema: Any) -> None:
    """Whatever a schema asks for, the type stays small."""
    found = type_of_schema(schema)
    assert getattr(found, "size", 1) <= MAX_SIZE


_KINDS = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
_COMBINED = st.sampled_from(["anyOf", "oneOf", "allOf"])
_SCHEMAS = st.recursive(
    st.one_of(
        st.builds(lambda kind: {"type": kind}, _KINDS),
        st.builds(lambda kinds: {"type": kinds}, st.lists(_KINDS, min_size=1, max_size=3, unique=True)),
        st.just({}),
        st.builds(lambda value: {"const": value}, st.sampled_from([None, 1, 1.5, "a", [1], {"a": 1}])),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a: {"type": "array", "items": a}, inner),
        st.builds(lambda a, b: {"type": "array", "prefixItems": [a], "items": b}, inner, inner),
        st.builds(
            lambda a, b, closed, needed: {
                "type": "object",
                "properties": {"a": a, "b": b},
                "required": needed,
                **({"additionalProperties": False} if closed else {}),
            },
            inner,
            inner,
            st.booleans(),
            st.lists(st.sampled_from("ab"), unique=True),
        ),
        st.builds(lambda a: {"type": "object", "additionalProperties": a}, inner),
        st.builds(
            lambda word, a, b: {word: [a, b]}, st.sampled_from(["anyOf", "oneOf", "allOf"]), inner, inner
        ),
        st.builds(lambda a, b: {**a, "allOf": [b]}, inner, inner),
    ),
    max_leaves=5,
)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 1.5, "a", "b"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(_SCHEMAS, _VALUES)
def test_a_type_holds_whatever_its_schema_accepts(schema: Any, value: Any) -> None:
    """The type may be wider than the schema, never narrower."""
    if jsonschema.Draft202012Validator(schema).is_valid(value):
        assert holds(type_of_schema(schema), value)


@given(_SCHEMAS, _VALUES)
def test_the_type_of_an_input_holds_what_is_widened(schema: Any, value: Any) -> None:
    """Whole numbers become doubles exactly where the type says so."""
    if jsonschema.Draft202012Validator(schema).is_valid(value):
        widen = declaring(schema) or (lambda each: each)
        assert holds(type_of_schema(schema, widened=True), widen(value))
