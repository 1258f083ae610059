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
