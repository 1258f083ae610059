"""The schema that editors get: with the words of JetBrains' editors, and with a project's activities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from perdure.dsl import Source
from perdure.dsl.diagnostics import Collector
from perdure.dsl.editor_schema import editor_schema, schema_text
from perdure.dsl.forms import plain
from perdure.dsl.reader import read
from perdure.dsl.schema import schema
from perdure.engine.activities import load_activities
from tests.checkout import ROOT


def argument(name: str, found: Any, *, required: bool = True) -> dict[str, Any]:
    """A parameter of a manifest."""
    return {"name": name, "schema": found, "required": required}


def project(*parameters: dict[str, Any], name: str = "Act", **more: Any) -> dict[str, Any]:
    """The schema of a project with one activity."""
    return editor_schema({"activities": {name: {"parameters": list(parameters), "result": {}, **more}}})


def accepts(found: dict[str, Any], step: dict[str, Any]) -> bool:
    """Whether a schema allows a step."""
    document = {"dsl": "perdure/1", "name": "case", "version": "1.0.0", "do": [{"it": step}]}
    return bool(jsonschema.Draft7Validator(found).is_valid(document))


def allows(found: Any, value: Any) -> bool:
    """Whether a value may be the argument of an activity whose one parameter has this schema."""
    return accepts(project(argument("a", found)), {"call": "Act", "with": value})


def test_says_the_same_in_html() -> None:
    """Each Markdown text is there as HTML too, with nothing of Markdown left in it."""
    html = editor_schema()["definitions"]["retry_policy"]["properties"]["delay"][
        "x-intellij-html-description"
    ]
    assert html == (
        "The wait after the first failed try.<br><br>Default: <code>1s</code>.<br><br><pre>delay: 5s</pre>"
    )


def test_html_is_escaped() -> None:
    """A docstring is text, whatever stands in it."""
    then = project(doc="a < b & c")["definitions"]["arguments"]["allOf"][0]["then"]
    assert "a &lt; b &amp; c" in then["properties"]["call"]["x-intellij-html-description"]


def test_values_of_enums_are_explained() -> None:
    """JetBrains' editors get the texts of an enum's values by value."""
    jitter = editor_schema()["definitions"]["retry_policy"]["properties"]["jitter"]
    assert jitter["x-intellij-enum-metadata"]["none"] == {"description": "wait exactly the delay"}


def test_the_language_is_the_same() -> None:
    """Without a manifest nothing but the words for editors is added, and the source is left alone."""

    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: bare(value) for key, value in part.items() if not key.startswith("x-intellij-")}
        return [bare(item) for item in part] if isinstance(part, list) else part

    assert bare(editor_schema()) == bare(schema())
    assert "x-intellij-enum-metadata" not in json.dumps(schema())


def test_the_text_is_ascii() -> None:
    """The file can be read whatever encoding a tool believes in."""
    assert schema_text(project(doc="Grüße")).isascii()


def test_a_project_has_a_schema() -> None:
    """The schema of a project holds to the meta-schema of draft-07."""
    jsonschema.Draft7Validator.check_schema(project(argument("a", {"type": "integer"}), name="a.b-c"))


@pytest.mark.parametrize(
    ("name", "good"), [("Act", True), ("Other", False), ("a_function", True), ("Act2", False), ("act", True)]
)
def test_activities_are_known_by_name(name: str, good: bool) -> None:
    """A call names an activity of the project, or a function, which only the file knows."""
    assert accepts(project(), {"call": name}) is good


def test_an_activity_may_be_named_like_a_function() -> None:
    """Its arguments are checked all the same."""
    found = project(argument("a", {"type": "integer"}), name="a_task")
    assert accepts(found, {"call": "a_task", "with": 1})
    assert not accepts(found, {"call": "a_task", "with": "one"})


def test_what_undoes_a_step_is_checked_too() -> None:
    """The call of a compensation is a call."""
    found = project(argument("a", {"type": "integer"}))
    assert accepts(found, {"call": "Act", "with": 1, "compensate": {"call": "Act", "with": 2}})
    assert not accepts(found, {"call": "Act", "with": 1, "compensate": {"call": "Act", "with": "x"}})


@pytest.mark.parametrize(
    ("given", "good"),
    [
        ({"a": 1}, True),
        ({"a": 1, "b": "x"}, True),
        ({"b": "x"}, False),
        ({"a": 1, "c": 1}, False),
        ({"a": "${ input.a }"}, True),
        ({"a": "one"}, False),
        ("${ input }", True),
        ("a", False),
        (1, False),
    ],
)
def test_several_arguments_are_a_map(given: Any, good: bool) -> None:
    """Names and types hold, and an expression may stand for any of them or for all."""
    parameters = argument("a", {"type": "integer"}), argument("b", {"type": "string"}, required=False)
    assert accepts(project(*parameters), {"call": "Act", "with": given}) is good


def test_arguments_may_be_left_out_when_none_is_required() -> None:
    """Without 'with' a call is right exactly when nothing is required."""
    assert accepts(project(argument("a", {"type": "integer"}, required=False)), {"call": "Act"})
    assert not accepts(project(argument("a", {"type": "integer"})), {"call": "Act"})


ORDER = {
    "$defs": {
        "Line": {"type": "object", "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}}}
    },
    "type": "object",
    "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
    "required": ["lines"],
}


@pytest.mark.parametrize(
    ("found", "value", "good"),
    [
        (ORDER, {"lines": [{"sku": "a", "n": 1}]}, True),
        (ORDER, {"lines": [{"sku": "a", "n": "${ input.n }"}]}, True),
        (ORDER, {"lines": "${ input.lines }"}, True),
        (ORDER, {"lines": ["${ input.line }"]}, True),
        (ORDER, {"lines": [{"n": "1"}]}, False),
        (ORDER, {}, False),
        ({"enum": ["a", "b"]}, "c", False),
        ({"enum": ["a", "b"]}, "${ 'c' }", True),
        ({"type": "string", "minLength": 99}, "${ input }", True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, None, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", False),
        ({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}, "${ input }", True),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, [1], True),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, ["x"], False),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, [1, 2], False),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "${ 1 }"}, True),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "x"}, False),
        ({"type": "object", "properties": {"$ref": {"type": "integer"}}}, {"$ref": 1}, True),
        ({}, {"any": ["thing"]}, True),
        (True, 1, True),
    ],
)
def test_an_argument_is_checked_at_every_depth(found: Any, value: Any, good: bool) -> None:
    """What is written holds to the schema of the parameter; what is an expression is let through."""
    assert allows(found, value) is good


def test_definitions_of_two_activities_do_not_meet() -> None:
    """Schemas that name their parts alike stay apart."""
    manifest = {
        "activities": {
            name: {
                "parameters": [argument("a", {"$ref": "#/$defs/A", "$defs": {"A": {"type": kind}}})],
                "result": {},
            }
            for name, kind in (("One", "integer"), ("Two", "boolean"))
        }
    }
    found = editor_schema(manifest)
    assert accepts(found, {"call": "One", "with": 1})
    assert not accepts(found, {"call": "Two", "with": 1})


@pytest.mark.parametrize("path", sorted(ROOT.glob("workflows/*/*.perdure.yaml")), ids=lambda path: path.stem)
def test_the_examples_fit_their_own_activities(path: Path) -> None:
    """Each workflow that is shipped is right to an editor that knows the activities beside it."""
    found = editor_schema(load_activities(path.with_name("activities.py")).manifest())
    documents = list(read(Source(path.name, path.read_text("utf-8")), Collector(path.name)))
    assert documents
    for document in documents:
        jsonschema.Draft7Validator(found).validate(plain(document.root))
