"""The JSON Schema of documents: valid, documented, and the same language as the loader's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from perdure import dsl
from perdure.dsl import load
from perdure.dsl.decode_keys import Defaults, Keys
from perdure.dsl.decode_steps import StepDecoder
from perdure.dsl.diagnostics import Collector
from perdure.dsl.forms import Forms, plain
from perdure.dsl.reader import read
from perdure.dsl.schema import kinds, schema
from perdure.dsl.source import Source

DESIGN = Path(__file__).parents[3] / "shared" / "design" / "dsl.md"
DEFINITIONS = schema()["definitions"]
READERS = {"get", "entry", "child", "scalar", "text", "value", "duration", "count", "condition", "span_of"}
"""The functions by which the decoder reads the key that is their argument."""
STRUCTURE = {"PD201", "PD202", "PD203", "PD204", "PD205", "PD206", "PD209"}


def properties() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property anywhere in the schema, with the path to it."""
    waiting: list[tuple[str, Any]] = [("", schema())]
    while waiting:
        path, part = waiting.pop()
        if isinstance(part, list):
            waiting += [(f"{path}/{index}", each) for index, each in enumerate(part)]
        elif isinstance(part, dict):
            found = part.get("properties", {})
            if "type" in part:
                yield from ((f"{path}/{key}", each) for key, each in found.items())
            waiting += [(f"{path}/{key}", each) for key, each in part.items() if key != "defaultSnippets"]


def branches(union: str) -> list[dict[str, Any]]:
    """The kinds of a union, in order."""
    names = [part["$ref"].rpartition("/")[2] for part in DEFINITIONS[union]["anyOf"] if "$ref" in part]
    return [DEFINITIONS[name] for name in names if "x-perdure-kind" in DEFINITIONS[name]]


def test_is_a_schema() -> None:
    """The file holds to the meta-schema of draft-07."""
    jsonschema.Draft7Validator.check_schema(schema())


def test_every_property_is_explained() -> None:
    """Editors show a text and an example for each property."""
    unexplained = [
        path
        for path, part in properties()
        if not part.get("description") or "```yaml\n" not in part.get("markdownDescription", "")
    ]
    assert unexplained == []


@pytest.mark.parametrize("union", ["task", "item"])
def test_kinds_are_disjoint_and_closed(union: str) -> None:
    """A step's kind key is required, and no unknown key is let through."""
    for branch in branches(union):
        assert branch["x-perdure-kind"] in branch["required"]
        assert branch["additionalProperties"] is False


def test_every_kind_has_a_snippet() -> None:
    """Editors offer each kind of step ready-made: under its name, and each kind of item after a dash."""
    assert all(branch["defaultSnippets"] for branch in branches("task"))
    offered = {snippet["label"] for snippet in DEFINITIONS["item"]["defaultSnippets"]}
    assert offered == {*kinds("task"), *kinds("item")}


def read_by_the_decoder() -> tuple[set[str], set[str]]:
    """Every text in the decoder's modules, and the keys that it asks a mapping for."""
    folder = Path(dsl.__file__).parent
    texts: set[str] = set()
    keys: set[str] = set()
    for path in [*folder.glob("decode*.py"), folder / "retries.py"]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in READERS:
                    keys |= {str(each.value) for each in node.args if isinstance(each, ast.Constant)}
                case ast.Compare(left=ast.Constant(value=str(key)), ops=[ast.In() | ast.NotIn()]):
                    keys.add(key)
                case ast.Constant(value=str(text)):
                    texts.add(text)
                case _:
                    pass
    return texts, keys - {"${"}


def test_the_decoder_reads_exactly_the_keys_of_the_schema() -> None:
    """No key is allowed and then forgotten, and none is read that the schema refuses."""
    texts, keys = read_by_the_decoder()
    allowed = {path.rpartition("/")[2] for path, _ in properties()}
    assert keys, "the decoder reads keys with other functions now: name them in READERS"
    assert keys - allowed == set()
    assert allowed - texts == {"dsl", "kind", "order"}  # they say one thing, or are read before decoding


def test_the_decoder_knows_exactly_the_kinds_of_the_schema() -> None:
    """What the schema allows is decoded, and nothing else is."""
    decoder = StepDecoder(Keys(Forms(Collector("case.yaml")), {}), Defaults(), {})
    allowed = {union: {branch["x-perdure-kind"] for branch in branches(union)} for union in ("task", "item")}
    assert decoder.kinds() == allowed


def test_every_kind_is_known() -> None:
    """The kinds are those of the language's grammar."""
    tasks = """call call_workflow start_workflow call_entity wait wait_for_event value fan_out for_each while
        until parallel race switch do try saga lock_entities"""
    statements = """set return raise continue_as_new set_custom_status log send_event signal_entity cancel
        break continue output if"""
    assert set(kinds("task")) == set(tasks.split())
    assert set(kinds("item")) == set(statements.split())


def examples() -> list[str]:
    """The whole documents among the examples of the language's page."""
    if not DESIGN.exists():
        return []
    blocks = DESIGN.read_text("utf-8").split("```yaml\n")[1:]
    texts = [block.partition("```")[0] for block in blocks]
    return [text for text in texts if text.startswith("dsl:") or "\ndsl: perdure/1" in text]


@pytest.mark.skipif(not DESIGN.exists(), reason="the language's page is not beside this repository")
def test_accepts_the_examples_of_the_page() -> None:
    """The schema holds the whole language: each document of its page is valid."""
    validator = jsonschema.Draft7Validator(schema())
    assert examples()
    for text in examples():
        for document in read(Source("page.yaml", text), Collector("page.yaml")):
            validator.validate(plain(document.root))


@pytest.mark.skipif(not DESIGN.exists(), reason="the language's page is not beside this repository")
def test_the_loader_knows_the_examples_of_the_page() -> None:
    """The loader finds nothing wrong with their structure."""
    for text in examples():
        found = {each.code for each in load(Source("page.yaml", text)).diagnostics}
        assert not found & STRUCTURE, text
