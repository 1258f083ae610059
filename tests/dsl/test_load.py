"""Loading never raises for what an author wrote, and what is loaded is right or explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.dsl import Severity, Signature, check_activities, format_diagnostics, load_bytes
from perdure.dsl.diagnostics import LIMIT
from perdure.dsl.schema import kinds, schema
from tests.dsl.documents import HEADER, codes, given_workflow, loaded

CORPUS = Path(__file__).parents[1] / "corpus"
TEXTS = [path.read_text("utf-8") for path in sorted(CORPUS.glob("*/*.yaml"))]
WORDS = sorted(
    {
        *kinds("task"),
        *kinds("item"),
        *(key for part in schema()["definitions"].values() for key in part.get("properties", {})),
        *("a", "b", "item", "perdure/1", "1.0.0", "5s", "never", "off", "<<", "*", "$ref"),
        *("${ a }", "${ input.x }", "${ vars.y + 1 }", "${ ", "x ${ a } y", "${ [1].map(x, x) }", "$${"),
    }
)
LEAVES = st.one_of(st.sampled_from(WORDS), st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=25,
)


SCHEMA_WORDS = """$schema $id $anchor $ref $dynamicRef $recursiveRef $defs type object array string number
    null properties items prefixItems required enum const anyOf allOf not if then else minimum maxLength
    pattern format patternProperties additionalProperties dependentSchemas unevaluatedProperties contains
    multipleOf a http://json-schema.org/draft-07/schema#
    https://json-schema.org/draft/2019-09/schema # #/$defs/a
    http://[""".split()


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Lists and mappings that look like JSON Schemas."""
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SCHEMA_WORDS), inner, max_size=3)


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    """A text of any characters gives documents or diagnostics."""
    found = loaded(text)
    assert found.documents or found.diagnostics


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(data: bytes) -> None:
    """So do bytes that may not be a text at all."""
    found = load_bytes("case.yaml", data)
    assert found.documents or found.diagnostics


@given(st.sampled_from(TEXTS), st.data())
def test_damaged_documents_are_answered(text: str, data: st.DataObject) -> None:
    """A document with a piece cut out or doubled gives documents or diagnostics that can be shown."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 60, len(text))))
    found = loaded(text[:end] + text[start:] if data.draw(st.booleans()) else text[:start] + text[end:])
    assert found.documents or format_diagnostics(found.diagnostics, [])


@given(TREES)
def test_any_tree_of_known_words_is_answered(tree: Any) -> None:
    """Words of the language in any structure give documents or diagnostics."""
    found = loaded(json.dumps({"dsl": "perdure/1", "name": "x", "version": "1.0.0", "do": [{"a": tree}]}))
    assert found.documents or not found.ok


@given(TREES, st.sampled_from(sorted(schema()["definitions"]["workflow"]["properties"])))
def test_any_header_is_answered(tree: Any, key: str) -> None:
    """So do known words under any key of the header."""
    document = {"dsl": "perdure/1", "name": "x", "version": "1.0.0", "do": [{"return": 1}], key: tree}
    found = loaded(json.dumps(document))
    assert found.documents or not found.ok


@given(TREES, st.sampled_from(sorted(schema()["definitions"]["operation"]["properties"])))
def test_any_operation_is_answered(tree: Any, key: str) -> None:
    """So do known words under any key of an operation."""
    document = {"dsl": "perdure/1", "kind": "entity", "name": "x", "version": "1.0.0"}
    found = loaded(json.dumps(document | {"state": {"initial": tree}, "operations": {"a": {key: tree}}}))
    assert found.documents or not found.ok


@given(TREES, st.sampled_from(["input", "activities", "timeline", "expect"]))
def test_any_case_is_answered(tree: Any, key: str) -> None:
    """So do known words under any key of a test's case."""
    case = {"name": "a", "expect": {}, key: tree}
    found = loaded(json.dumps({"dsl": "perdure/1", "kind": "test", "workflow": "x", "cases": [case]}))
    assert found.documents or not found.ok


@given(TREES, st.sampled_from(["compensate", "lock_entities", "saga", "call", "do", "chunk"]))
def test_any_function_is_answered(tree: Any, key: str) -> None:
    """So do known words in a function, and in what undoes a step."""
    step = {"call": "f", "do": [{"b": {"call": "f"}}], key: tree}
    functions = {"f": {"call": "A", key: tree}, "g": step}
    do = [{"a": {"saga": [{"c": {"call": "f", "compensate": tree}}, {"d": {"call": "g"}}]}}]
    document = {"dsl": "perdure/1", "name": "x", "version": "1.0.0", "functions": functions, "do": do}
    found = loaded(json.dumps(document))
    assert found.documents or not found.ok


@given(st.recursive(LEAVES | st.sampled_from(SCHEMA_WORDS), schemas, max_leaves=15), TREES)
def test_any_json_schema_is_answered(part: Any, initial: Any) -> None:
    """So do words of JSON Schema in any structure, with any initial value to hold against it."""
    document = {"dsl": "perdure/1", "name": "x", "version": "1.0.0", "do": [{"return": 1}]}
    found = loaded(json.dumps(document | {"vars": {"a": {"schema": part, "initial": initial}}}))
    assert found.documents or not found.ok


def test_bytes_that_are_not_text() -> None:
    """Bytes that are not UTF-8 are refused where they stand."""
    (found,) = load_bytes("case.yaml", "a: é\nb: ü".encode() + b"\xff").diagnostics
    assert (found.code, found.span.start) == ("PD100", (2, 5))


def test_a_byte_order_mark_is_no_text() -> None:
    """A file may begin with a byte order mark."""
    assert load_bytes("case.yaml", f"\ufeff{HEADER}do:\n  - return: 1\n".encode()).ok


def test_warnings_do_not_refuse() -> None:
    """A document with warnings alone is loaded."""
    found = loaded(f"{HEADER}do:\n  - return: ${{ input.total / 2 }}\n")
    assert [each.severity for each in found.diagnostics] == [Severity.WARNING]
    assert found.documents
    assert found.ok


def test_one_bad_document_leaves_the_others() -> None:
    """Each document of a file stands for itself."""
    found = loaded(f"{HEADER}do:\n  - return: 1\n---\n{HEADER}do:\n  - oops\n")
    assert len(found.documents) == 1
    assert not found.ok


def test_diagnostics_are_capped() -> None:
    """After so many the rest is left out, and that is said."""
    found = codes(HEADER + "do:\n" + "  - return: ${ nowhere }\n" * (LIMIT + 50))
    assert len(found) == LIMIT + 1
    assert found[-1] == "PD900"


def test_a_mistake_is_told_once() -> None:
    """A policy that two steps use is checked for both and reported once."""
    text = "retries: { p: { attempts: 2, when: '${ nowhere }' } }\ndo:\n"
    text += "  - a: { call: A, retry: p }\n  - b: { call: B, retry: p }\n"
    assert codes(HEADER + text) == ["PD301"]


def test_unknown_activities() -> None:
    """Who knows the activities can have calls checked against them."""
    workflow = given_workflow("  - a: { call: ChargeCrad }\n  - b: { call: Known }\n")
    nothing = Signature(names=(), required=frozenset())
    (found,) = check_activities(workflow, {"ChargeCard": nothing, "Known": nothing})
    assert (found.code, found.hint, found.span.start) == ("PD701", "did you mean 'ChargeCard'?", (5, 16))


def test_functions_do_not_hide_activities() -> None:
    """A function that has an activity's name is refused, whether it is called or not."""
    workflow = given_workflow("  - a: { call: charge }\n", "functions: { charge: { call: Charge } }\n")
    nothing = Signature(names=(), required=frozenset())
    (found,) = check_activities(workflow, {"charge": nothing, "Charge": nothing})
    assert (found.code, found.span.start) == ("PD703", (4, 14))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("with: { order: 1, amuont: 2 }", "'Charge' has no parameter 'amuont'"),
        ("with: { amount: 2 }", "'Charge' needs 'order' too"),
        ("with: 3", "'Charge' takes several arguments"),
        ("with: [1, 2]", "'Charge' takes several arguments"),
        ("timeout: 3s", "'Charge' needs 'order', but the step has no 'with'"),
    ],
)
def test_arguments_that_an_activity_does_not_take(written: str, said: str) -> None:
    """What is written out under ``with`` is compared with the function's parameters."""
    workflow = given_workflow(f"  - a: {{ call: Charge, {written} }}\n")
    charge = Signature(names=("order", "amount"), required=frozenset({"order"}))
    (found,) = check_activities(workflow, {"Charge": charge})
    assert (found.code, found.message) == ("PD702", said)


@pytest.mark.parametrize("written", ["{ order: 1 }", "'${ input }'", "{ order: 1, amount: 2 }"])
def test_arguments_that_may_be_right(written: str) -> None:
    """What only the run can tell is left to it."""
    workflow = given_workflow(f"  - a: {{ call: Charge, with: {written} }}\n")
    charge = Signature(names=("order", "amount"), required=frozenset({"order"}))
    assert check_activities(workflow, {"Charge": charge}) == ()


def test_a_document_after_too_many_mistakes_is_not_taken_for_right() -> None:
    """What is not looked at any more, because enough was found, is not decoded either."""
    assert loaded("dsl:\n---\n" * LIMIT + f"{HEADER}do:\n").documents == ()


@pytest.mark.parametrize("key", ["on", "if", "do", "call"])
def test_keys_of_data_are_free(key: str) -> None:
    """Words of the language mean nothing inside a value."""
    assert codes(f"{HEADER}do:\n  - return: {{ {key}: [{key}] }}\n") == []


def test_many_warnings_refuse_nothing_and_hide_no_error() -> None:
    """Of each severity so many are kept; what is only warned of can be used."""
    unused = "vars:\n" + "".join(f"  v{n}: 1\n" for n in range(LIMIT + 10))
    found = loaded(HEADER + unused + "do:\n  - return: 1\n")
    assert len(found.documents) == 1
    assert found.ok
    assert found.diagnostics[-1].message == f"only the first {LIMIT} warnings are shown"
    texts = "".join(f'  - s{n}: {{ value: "$.input.a{n}" }}\n' for n in range(LIMIT + 10))
    wrong = loaded(HEADER + "do:\n" + texts + "  - return: ${ nowhere }\n")
    assert "PD301" in {each.code for each in wrong.diagnostics}
    assert not wrong.documents
