"""The texts of the schema: whatever it shows or inserts is itself right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from perdure.dsl import Severity, Source, load
from perdure.dsl.diagnostics import Collector
from perdure.dsl.forms import plain
from perdure.dsl.reader import read
from perdure.dsl.rules.errors import BUILT_IN
from perdure.dsl.rules.shadowing import RESERVED
from perdure.dsl.schema import schema
from tests.tables import every

DEFINITIONS = schema()["definitions"]
STRUCTURE = {"PD201", "PD202", "PD203", "PD204", "PD205", "PD206", "PD207", "PD209"}
HEADER = {"dsl": "perdure/1", "name": "case", "version": "1.0.0"}


def mappings(part: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping of the schema with the path to it."""
    if isinstance(part, dict):
        yield path, part
        for key, value in part.items():
            if key != "defaultSnippets":
                yield from mappings(value, f"{path}/{key}")
    elif isinstance(part, list):
        for index, item in enumerate(part):
            yield from mappings(item, f"{path}/{index}")


def properties() -> list[Any]:
    """Every property with its mapping's required keys."""
    return [
        pytest.param(key, part, key in holder.get("required", ()), id=f"{path}/{key}")
        for path, holder in mappings(schema())
        if "type" in holder
        for key, part in holder.get("properties", {}).items()
    ]


def snippets() -> list[Any]:
    """Every snippet with the definition that offers it."""
    return [
        pytest.param(name, snippet["body"], id=f"{name}-{snippet['label']}")
        for name, part in DEFINITIONS.items()
        for snippet in part.get("defaultSnippets", ())
    ]


def yaml(text: str) -> Any:
    """YAML as the loader reads it."""
    (document,) = read(Source("case.yaml", text), Collector("case.yaml"))
    return plain(document.root)


def filled(body: Any) -> Any:
    """A snippet's body when every placeholder is left as it is."""
    text = re.sub(r'"\$\{\d+:(\d+)\}"', r"\1", json.dumps(body))  # what is inserted has no quotes
    text = re.sub(r"\$\{\d+:((?:\\\\[^\\]|[^\\}])*)\}", r"\1", text)
    return json.loads(re.sub(r"\\\\([$}])", r"\1", text))


def problems(value: Any, part: dict[str, Any]) -> list[str]:
    """What a part of the schema does not allow in a value."""
    validator = jsonschema.Draft7Validator({"allOf": [part], "definitions": DEFINITIONS})
    return [each.message for each in validator.iter_errors(value)]


def as_document(name: str, body: Any) -> Any:
    """A whole document with a snippet's body where it can stand."""
    if name in ("workflow", "entity", "test"):
        return body
    if name in ("item", "named_step") or name.startswith("statement_"):
        return {**HEADER, "do": [body]}
    return {**HEADER, "do": [{"it": body}]}


@every(properties())
def test_the_example_of_a_property_is_valid_there(key: str, part: dict[str, Any], required: bool) -> None:
    """The YAML in a property's text has this key, and its value is allowed for it."""
    found = re.findall(r"```yaml\n(.*?)\n```", part["markdownDescription"], re.DOTALL)
    assert len(found) == 1
    example = yaml(found[0])
    assert list(example) == [key]
    assert problems(example[key], part) == []


@every(properties())
def test_a_property_says_its_default(key: str, part: dict[str, Any], required: bool) -> None:
    """A property that may be left out says what holds then, in both of its texts; others have no default."""
    plain_text, markdown = part["description"], part["markdownDescription"].partition("```yaml")[0]
    assert ("Default: " in plain_text, "\n\nDefault: " in markdown) == (not required, not required)
    assert markdown.replace("`", "").replace("\n\n", " ").strip() == plain_text


def test_every_choice_is_explained() -> None:
    """Each value of an enum has a text, in both forms."""
    enums = [(path, part) for path, part in mappings(schema()) if "enum" in part and "allOf" not in path]
    assert enums
    for path, part in enums:
        lengths = [len(part.get(key, ())) for key in ("enumDescriptions", "markdownEnumDescriptions")]
        assert lengths == [len(part["enum"])] * 2, path


@every(snippets())
def test_a_snippet_is_valid_where_it_is_offered(name: str, body: Any) -> None:
    """What is inserted, its placeholders left as they are, is what the definition allows."""
    assert problems(filled(body), DEFINITIONS[name]) == []


@every(snippets())
def test_the_loader_understands_a_snippet(name: str, body: Any) -> None:
    """The loader finds nothing wrong with the structure of what is inserted."""
    text = json.dumps(as_document(name, filled(body)))
    found = {each.code: each.message for each in load(Source("case.yaml", text)).diagnostics}
    assert not found.keys() & STRUCTURE, found


def test_an_item_offers_every_kind_of_step_and_statement() -> None:
    """After a dash every kind is offered, in the order of use."""
    labels = [each["label"] for each in DEFINITIONS["item"]["defaultSnippets"]]
    kinds = [
        DEFINITIONS[branch["$ref"].rpartition("/")[2]].get("x-perdure-kind")
        for union in ("task", "item")
        for branch in DEFINITIONS[union]["anyOf"]
        if "$ref" in branch
    ]
    assert labels == [kind for kind in kinds if kind]


def test_reserved_words_are_those_of_the_loader() -> None:
    """The patterns of names leave out exactly the words that the loader refuses."""
    pattern = r"\^\(\?!\(\?:([a-z0-9_|]+)\)\$\)"
    (named,) = DEFINITIONS["named_step"]["patternProperties"]
    found = [
        set(re.findall(pattern, text)[0].split("|"))
        for text in (
            named,
            DEFINITIONS["step_name"]["allOf"][0]["pattern"],
            DEFINITIONS["counter_name"]["allOf"][0]["pattern"],
        )
    ]
    assert found == [RESERVED, RESERVED, RESERVED - {"index"}]


def test_the_engines_errors_are_those_of_the_loader() -> None:
    """The pattern of errors lets through exactly the engine's own names, and whatever is not in its name."""
    pattern = DEFINITIONS["known_error"]["pattern"]
    assert all(re.search(pattern, name) for name in (*BUILT_IN, "*", "PaymentDeclined", "perdureX"))
    assert not any(re.search(pattern, name) for name in ("perdure.Nonsense", "perdure.Timeouts", "perdure."))
    assert all(
        f"{name}," in DEFINITIONS["known_error"]["patternErrorMessage"] + "," for name in BUILT_IN[:-1]
    )


def step(text: str) -> str:
    """A document with one step."""
    return f"dsl: perdure/1\nname: a\nversion: 1.0.0\ndo:\n  - it: {{ {text} }}\n"


def header(text: str) -> str:
    """A document with one more key in its header."""
    return f"dsl: perdure/1\nname: a\nversion: 1.0.0\n{text}\ndo:\n  - return: 1\n"


@every(
    [
        step("wait: 5"),
        step("wait: soon"),
        step("wait: never"),
        step("call: A, timeout: never"),
        step("wait_for_event: A"),
        step("call: 1A"),
        step("call: A, if: yes"),
        step("call: A, retry: { delay: 5s }"),
        step("call: A, retry: { attempts: 0 }"),
        step("call: A, retry: { attempts: 2, backoff: 0.5 }"),
        step("call: A, retry: { attempts: 2, on: [perdure.Timeouts] }"),
        step("call: A, wait: 5s"),
        step("call: A, width: 5"),
        step("fan_out: some, do: [{ a: { call: A } }]"),
        step("fan_out: { a: 1 }, do: [{ a: { call: A } }]"),
        step("for_each: [1], do: []"),
        step("for_each: [1], each: input, do: [{ a: { call: A } }]"),
        step("fan_out: [1], width: 0, do: [{ a: { call: A } }]"),
        step("fan_out: [1], on_failure: { tolerate: many }, do: [{ a: { call: A } }]"),
        step("while: '${ true }', do: [{ a: { call: A } }]"),
        step("parallel: {}"),
        step("parallel: { A: [{ a: { call: A } }] }"),
        step("call_workflow: a, version: '>1'"),
        step("call_workflow: a, if_exists: replace"),
        step("call_entity: Counter, op: add"),
        step("lock_entities: [Counter], do: [{ a: { call: A } }]"),
        step("lock_entities: Counter@1, do: [{ a: { call: A } }]"),
        step("saga: [{ a: { call: A, compensate: { with: 1 } } }]"),
        step("do: [{ input: { call: A } }]"),
        step("do: [{ return: 1, set: { a: 1 } }]"),
        step("do: [{ raise: { error: perdure.Nonsense } }]"),
        step("do: [{ continue_as_new: { input: 1, version: newest } }]"),
        header("timeout: 30"),
        header("tags: [a]"),
        header("vars: { a: { schema: { type: integer } } }"),
        header("events: { 1a: {} }"),
        header("errors: { A: { status: 200 } }"),
        header("schedule: [{ cron: 0 2 * * }]"),
        header("limits: { history_events: 0 }"),
        header("stepz: 1"),
    ],
)
def test_editors_refuse_what_the_loader_refuses(text: str) -> None:
    """What a schema can say, it says: these are mistakes to the loader and to an editor."""
    found = load(Source("case.yaml", text)).diagnostics
    assert [each for each in found if each.severity is Severity.ERROR]
    assert not jsonschema.Draft7Validator(schema()).is_valid(yaml(text))


@every(
    [
        step("wait: PT5M"),
        step("wait: '${ 2 }h'"),
        step("wait_for_event: A, timeout: never"),
        step("call: A, retry: { attempts: '${ 2 }', on: [perdure.Timeout] }"),
        step("fan_out: [1], at: index, do: [{ a: { call: A } }]"),
        step("fan_out: '${ [1] }', on_failure: { tolerate: 0.5% }, do: [{ a: { call: A } }]"),
        step("call_workflow: a, version: ~1.2"),
        step("call_entity: 'Counter@${ 1 }', op: add"),
        step("lock_entities: ['Counter@1'], do: [{ a: { call_entity: Counter@1, op: add } }]"),
        header("vars: { a: { initial: 1 }, b: { schema: 1, other: 2 }, c: null }"),
        header("schedule: [{ cron: 0  2 * * MON-FRI }]"),
    ],
)
def test_editors_accept_what_the_loader_accepts(text: str) -> None:
    """Rare ways of writing are right to the loader and to an editor."""
    found = load(Source("case.yaml", text)).diagnostics
    assert [each for each in found if each.severity is Severity.ERROR] == []
    jsonschema.Draft7Validator(schema()).validate(yaml(text))
