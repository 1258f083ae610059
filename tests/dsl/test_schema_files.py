"""Files that JSON Schemas refer to are put in, or it is said why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest

from perdure.dsl import Loaded, Source, document_digest, load
from perdure.dsl.inline import inlined
from perdure.dsl.schema_files import MAX_BYTES, MAX_DEPTH, MAX_FILES
from tests.dsl.documents import HEADER

ORDER = {
    "$id": "https://example.org/order",
    "type": "object",
    "properties": {
        "total": {"$ref": "sub/money.json#/definitions/amount"},
        "parts": {"type": "array", "items": {"$ref": "#"}},
        "id": {"$ref": "#/definitions/id"},
    },
    "required": ["id"],
    "definitions": {"id": {"type": "string"}},
}
MONEY = {"definitions": {"amount": {"type": "number"}, "whole": {"$ref": "../order.json"}}}
FILES: dict[str, Any] = {"schemas/order.json": ORDER, "schemas/sub/money.json": MONEY}


class Folder:
    """Files by their path."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self._files = files

    def read(self, path: str) -> bytes:
        """The JSON of a file, or its bytes."""
        if path not in self._files:
            raise FileNotFoundError(2, "No such file or directory")
        found = self._files[path]
        return found if isinstance(found, bytes) else json.dumps(found).encode()


def with_schema(schema: str, files: Mapping[str, Any] = FILES) -> Loaded:
    """A workflow whose input has a schema, beside files."""
    text = f"{HEADER}input:\n  schema: {schema}\ndo:\n  - return: 1\n"
    return load(Source("case.yaml", text), files=Folder(files).read)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ("{ $ref: schemas/order.json }", {"id": "a", "total": 1, "parts": [{"id": "b"}]}, {"parts": []}),
        ("{ $ref: ./schemas/../schemas/order.json }", {"id": "a"}, {"id": 1}),
        ("{ $ref: 'schemas/order.json#/properties/total' }", 1.5, "x"),
        ("{ items: { $ref: schemas/order.json } }", [{"id": "a"}], [{"id": "a", "parts": [{}]}]),
        ("{ $ref: 'schemas/sub/money.json#/definitions/whole' }", {"id": "a"}, {"id": "a", "total": "x"}),
    ],
)
def test_what_is_put_in_means_the_same(schema: str, good: Any, bad: Any) -> None:
    """References inside the files lead to where the files are put."""
    (workflow,) = with_schema(schema).workflows
    validator = jsonschema.Draft202012Validator(workflow.input_schema)
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("nowhere.json", "cannot read 'nowhere.json': No such file or directory"),
        ("../order.json", "'../order.json' is not a file beside this one"),
        ("schemas/../../order.json", "'schemas/../../order.json' is not a file beside this one"),
        ("/etc/passwd", "'/etc/passwd' is not a file beside this one"),
        ("https://example.org/order.json", "'https://example.org/order.json' is not a file beside this one"),
        ("text.json", "'text.json' is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("list.json", "'list.json' does not hold a JSON Schema"),
        ("deep.json", "'deep.json' does not hold a JSON Schema"),
        ("large.json", f"'large.json' is larger than {MAX_BYTES // 1024} KiB"),
        ("out.json", "'../../x.json' is not a file beside this one"),
        ("chain0.json", f"the schema needs more than {MAX_FILES} files"),
        ("order.json#id", "'#id' is no JSON Pointer"),
        ("anchor.json", "'#here' in anchor.json is no JSON Pointer"),
    ],
)
def test_files_that_cannot_be_put_in(reference: str, said: str) -> None:
    """It is said why, where the reference stands."""
    deep: Any = True
    for _ in range(MAX_DEPTH + 1):
        deep = {"not": deep}
    files = {
        "text.json": b"hello",
        "list.json": [],
        "deep.json": deep,
        "large.json": b" " * (MAX_BYTES + 1),
        "out.json": {"items": {"$ref": "../../x.json"}},
        "anchor.json": {"items": {"$ref": "#here"}},
        **{f"chain{i}.json": {"items": {"$ref": f"chain{i + 1}.json"}} for i in range(MAX_FILES + 1)},
    }
    (found,) = with_schema(f"{{ $ref: '{reference}' }}", files).diagnostics
    assert (found.code, found.message, found.span.start) == ("PD236", said, (5, 19))


@pytest.mark.parametrize(
    "files",
    [
        {"a.json": {"$ref": "a.json"}},
        {"a.json": {"allOf": [{"$ref": "b.json"}]}, "b.json": {"anyOf": [{"$ref": "a.json"}]}},
        {"a.json": {"not": {"$ref": "#/not"}}},
    ],
)
def test_references_that_never_end(files: Mapping[str, Any]) -> None:
    """A schema that a value would be checked against for ever is refused."""
    (found,) = with_schema("{ $ref: a.json }", files).diagnostics
    assert found.code == "PD222"
    assert "leads back to itself" in found.message


def test_nothing_is_read_without_a_folder() -> None:
    """A document that comes without its files says so."""
    text = f"{HEADER}input:\n  schema: {{ $ref: a.json }}\ndo:\n  - return: 1\n"
    (found,) = load(Source("case.yaml", text)).diagnostics
    assert (found.code, "perdure deploy" in (found.hint or "")) == ("PD236", True)


DOCUMENT = f"""{HEADER}input:
  schema:
    $ref: schemas/order.json   # the order
output: {{ schema: &total {{ $ref: 'schemas/order.json#/properties/total' }} }}
vars:
  sum: {{ schema: *total, initial: 0 }}
  data: {{ $ref: schemas/order.json, more: 1 }}
events:
  Paid: {{ schema: {{ $ref: schemas/order.json }} }}
do:
  - paid: {{ wait_for_event: Paid, timeout: 1h }}
  - log: {{ message: "${{ paid.id }} ${{ vars.data.more }}" }}
  - return: ${{ vars.sum }}
"""


def test_a_text_that_stands_on_its_own() -> None:
    """With its schemas written out it is the same document; what is no schema stays as it is."""
    source = Source("case.yaml", DOCUMENT)
    whole = inlined(source, Folder(FILES).read)
    (document,) = load(source, files=Folder(FILES).read).documents
    (alone,) = load(whole).documents
    assert document_digest(alone) == document_digest(document)
    assert "data: { $ref: schemas/order.json, more: 1 }" in whole.text
    assert "# the order" in whole.text


def test_a_text_without_files_is_left_alone() -> None:
    """Nothing is written anew without need."""
    text = f"{HEADER}input: {{ schema: {{ type: object }} }}\ndo:\n  - return: 1\n"
    assert inlined(Source("case.yaml", text), Folder({}).read).text == text


def test_a_file_replaces_no_definition_of_the_author() -> None:
    """A name under ``$defs`` that is the path of a file has another meaning already."""
    schema = (
        "{ $defs: { schemas/order.json: { type: string } }, properties: { x: { $ref: schemas/order.json } } }"
    )
    found = load(
        Source("a.yaml", f"{HEADER}input: {{ schema: {schema} }}\ndo: [ {{ return: 1 }} ]\n"),
        files=Folder(FILES).read,
    )
    assert [each.code for each in found.diagnostics] == ["PD236"]
    assert found.diagnostics[0].hint == "give the entry another name"
