"""Files that JSON Schemas refer to lie beside the workflow file, and go with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sdk.cli.program import call, perdure, serving

WORKFLOW = """\
dsl: perdure/1
name: ordered
version: 1.0.0
input:
  schema: { $ref: schemas/order.json }
do:
  - return: ${ input.total }
"""
ORDER = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
CASES = (
    "dsl: perdure/1\nkind: test\nworkflow: ordered\ncases: [ { name: one, expect: { status: Completed } } ]\n"
)


@pytest.fixture(autouse=True)
def ordered(here: Path) -> None:
    """A workflow whose input's schema is a file."""
    (here / "flows" / "schemas").mkdir(parents=True)
    (here / "flows" / "schemas" / "order.json").write_text(json.dumps(ORDER))
    (here / "flows" / "ordered.perdure.yaml").write_text(WORKFLOW)


def test_a_run_holds_its_input_against_the_file() -> None:
    """What does not fit the schema in the file is no input."""
    assert perdure("run", "flows/ordered.perdure.yaml", "-i", "total=3").out.strip() == "3.0"
    answer = perdure("run", "flows/ordered.perdure.yaml", "-i", "sum=3")
    assert answer.code != 0
    assert "total" in answer.err


@pytest.mark.slow
def test_what_is_deployed_needs_no_files(here: Path) -> None:
    """A server gets the schema itself, and refuses what does not fit it."""
    with serving(cwd=here) as url:
        assert call("deploy", "flows/ordered.perdure.yaml", "--server", url, cwd=here).code == 0
        answer = call("start", "ordered", "--input", "{}", "--server", url, cwd=here)
    assert answer.code != 0
    assert "total" in answer.err


@pytest.mark.parametrize(
    "text",
    [
        "input: { schema: &s { $ref: schemas/order.json } }\ndo: [ { return: *s } ]\n",
        (
            "input: { schema: { properties: { a: &s { $ref: schemas/order.json }, b: *s } } }\n"
            "events: { E: { schema: *s } }\n"
            "do: [ { e: { wait_for_event: E, timeout: 1h } }, { return: '${ e }' } ]\n"
        ),
    ],
    ids=["a value", "inside another"],
)
def test_a_schema_with_an_anchor_is_not_deployed_as_something_else(text: str, here: Path) -> None:
    """Where putting a file in would change more than the schema, nothing is deployed."""
    head = "dsl: perdure/1\nname: anchored\nversion: 1.0.0\n"
    (here / "flows" / "anchored.perdure.yaml").write_text(head + text)
    assert perdure("validate", "flows/anchored.perdure.yaml").code == 0
    answer = perdure("deploy", "flows/anchored.perdure.yaml")
    assert answer.code == 1
    assert "take the anchor out" in answer.err
    assert "anchored" not in perdure("list", "--json").out


def test_links_out_of_the_folder_are_not_followed(here: Path) -> None:
    """A schema cannot be used to read other files."""
    (here / "secret.json").write_text("{}")
    (here / "flows" / "schemas" / "order.json").unlink()
    (here / "flows" / "schemas" / "order.json").symlink_to(here / "secret.json")
    answer = perdure("validate", "flows/ordered.perdure.yaml")
    assert answer.code == 1
    assert "it lies outside the folder of the workflow file" in answer.out + answer.err


def test_tests_are_not_deployed(here: Path) -> None:
    """A file with nothing but tests is valid, and nothing to deploy or run."""
    (here / "ordered.perdure-test.yaml").write_text(CASES)
    assert perdure("validate", "ordered.perdure-test.yaml").code == 0
    for command in ("deploy", "run", "diagram"):
        answer = perdure(command, "ordered.perdure-test.yaml")
        assert answer.code == 2
        assert "ordered.perdure-test.yaml holds only tests\n" in answer.err
        assert "checked by 'perdure validate'; this release does not run them yet\n" in answer.err
