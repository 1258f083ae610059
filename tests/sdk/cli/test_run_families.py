"""``perdure run`` of a file with several workflows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.program import perdure

FAMILY = """\
dsl: perdure/1
name: parent
version: 1.0.0
do:
  - part: { call_workflow: child, with: 20 }
  - return: ${ part + 1 }
---
dsl: perdure/1
name: child
version: 1.0.0
do:
  - return: ${ input * 2 }
"""


@pytest.fixture
def family(here: Path) -> Path:
    """A parent and its child in one file."""
    path = here / "family.perdure.yaml"
    path.write_text(FAMILY)
    return path


def test_the_workflow_that_no_other_calls_is_run(family: Path) -> None:
    """Its child is found in the file, deployed or not."""
    answer = perdure("run", family.name)
    assert (answer.code, answer.out) == (0, "41\n")
    assert "parent started" in answer.err


def test_another_one_can_be_named(family: Path) -> None:
    """``--workflow`` says which."""
    answer = perdure("run", family.name, "--workflow", "child", "--input", "4")
    assert (answer.code, answer.out) == (0, "8\n")
    answer = perdure("run", family.name, "--workflow", "aunt")
    assert answer.code == 2
    assert "holds no workflow 'aunt'" in answer.err
    assert "parent, child" in answer.err


def test_two_that_nobody_calls_are_no_choice(family: Path) -> None:
    """Nothing is guessed."""
    family.write_text(FAMILY.replace("call_workflow: child, with: 20", "value: 20"))
    answer = perdure("run", family.name)
    assert answer.code == 2
    assert "--workflow NAME" in answer.err


ENTITY = """\
dsl: perdure/1
name: count
version: 1.0.0
do:
  - sum: { call_entity: Counter@visits, op: add, with: "${ input }" }
  - less: { call_entity: Counter@visits, op: take, with: 9 }
---
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }" }
  take:
    input: { type: integer }
    require: [{ check: "${ state >= input }", error: TooFew }]
    set: ${ state - input }
"""


def test_what_entities_answer_is_told(here: Path) -> None:
    """A line for each operation, as for each activity; what failed is explained afterwards."""
    (here / "count.perdure.yaml").write_text(ENTITY)
    answer = perdure("run", "count.perdure.yaml", "--input", "3", "--id", "one")
    assert answer.code == 1
    said = [line[9:] for line in answer.err.splitlines()]
    assert any(line.startswith("sum completed ") for line in said)
    assert any(line.startswith("less failed: ") and "TooFew" in line for line in said)
    explained = perdure("explain", "one").out.splitlines()
    assert (explained[0], "TooFew" in explained[1]) == ("one is Failed", True)
    assert explained[2] == "  in step 'less' (count.perdure.yaml:6:5), attempt 1"
