"""``perdure schema``: the schema for editors, of the language and of a project."""

from __future__ import annotations

import json
from pathlib import Path

from perdure.dsl.editor_schema import editor_schema
from tests.sdk.cli.program import perdure

ACTIVITIES = '''
import perdure


@perdure.activity
def charge(order: str, amount: int) -> str:
    """Takes the money."""
    return order
'''


def test_prints_the_schema_of_the_language(here: Path) -> None:
    """Without anything else it is the schema of all workflow files."""
    assert json.loads(perdure("schema").out) == editor_schema()
    assert perdure("schema", "dsl").out == perdure("schema").out


def test_json_has_the_schema_as_its_data(here: Path) -> None:
    """With --json the schema is the answer's data."""
    assert perdure("schema", "--json").data == editor_schema()


def test_writes_a_file(here: Path) -> None:
    """--out writes it, and stderr has the line that makes editors use it."""
    answer = perdure("schema", "--out", "perdure.schema.json")
    assert (answer.code, answer.out) == (0, "perdure.schema.json\n")
    assert "# yaml-language-server: $schema=./perdure.schema.json" in answer.err
    assert json.loads((here / "perdure.schema.json").read_text()) == editor_schema()


def test_init_writes_the_same(here: Path) -> None:
    """A new directory has the schema of the language."""
    perdure("init", "new")
    assert (here / "new" / "perdure.schema.json").read_text() == perdure("schema").out


def test_a_file_that_cannot_be_written(here: Path) -> None:
    """A directory that is not there is told in a sentence."""
    answer = perdure("schema", "--out", "nowhere/perdure.schema.json")
    assert answer.code == 2
    assert "cannot write nowhere/perdure.schema.json" in answer.err


def test_knows_the_activities_of_a_module(here: Path) -> None:
    """With --activities the names, arguments and docstrings of a module's activities are in it."""
    (here / "shop_activities.py").write_text(ACTIVITIES)
    found = json.loads(perdure("schema", "--activities", "shop_activities").out)["definitions"]
    assert found["activity"]["anyOf"][0]["enum"] == ["charge"]
    (case,) = found["arguments"]["allOf"]
    assert case["then"]["properties"]["with"]["required"] == ["order", "amount"]
    assert case["then"]["properties"]["call"]["description"] == "Takes the money."


def test_a_module_that_is_not_there(here: Path) -> None:
    """It is told, and nothing is printed."""
    answer = perdure("schema", "--activities", "no_such_module")
    assert (answer.code, answer.out) == (2, "")
    assert "no_such_module" in answer.err


def test_there_is_nothing_else_to_print(here: Path) -> None:
    """Whatever else is asked for is refused with what there is."""
    answer = perdure("schema", "history")
    assert answer.code == 2
    assert "'dsl'" in answer.err
