"""What the engine cannot run yet: checked and compiled, but neither deployed nor run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.program import call, perdure, serving

PARENT = """\
dsl: perdure/1
name: parent
version: 1.0.0
concurrency: { key: a, limit: 1 }
do:
  - return: 1
"""
TOLD = """\
parent.perdure.yaml:4:1: error[PD603] engine support missing: concurrency
  |
2 | name: parent
3 | version: 1.0.0
4 | concurrency: { key: a, limit: 1 }
  | ^^^^^^^^^^^
  = help: this release checks and compiles it, but cannot run it yet
"""


@pytest.fixture(autouse=True)
def parent(here: Path) -> Path:
    """A workflow with a limit, in the working directory."""
    path = here / "parent.perdure.yaml"
    path.write_text(PARENT)
    return path


def test_validate_has_nothing_against_it() -> None:
    """A file is right by the language, whatever the engine can do."""
    assert perdure("validate", "parent.perdure.yaml").code == 0


@pytest.mark.parametrize("command", ["deploy", "run"])
def test_it_is_refused_with_its_place(command: str, here: Path) -> None:
    """Deploying and running both point at the key, with exit code 1, and leave no database behind."""
    answer = perdure(command, "parent.perdure.yaml")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(TOLD)
    assert list(here.glob("*.db")) == []


def test_a_server_refuses_it_as_well(here: Path) -> None:
    """Deploying to a server says the same."""
    with serving(cwd=here) as url:
        answer = call("deploy", "parent.perdure.yaml", "--server", url, cwd=here)
    assert answer.code == 1
    assert answer.err.startswith(TOLD)


def test_programs_are_told_in_json() -> None:
    """With --json the diagnostics are data."""
    answer = perdure("--json", "deploy", "parent.perdure.yaml")
    assert [each["code"] for each in answer.document["error"]["details"]] == ["PD603"]
