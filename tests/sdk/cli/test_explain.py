"""``perdure explain``."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.dsl.diagnostics import CODES
from perdure.dsl.explain import FAMILIES
from tests.sdk.cli.program import perdure


def test_a_code_is_explained_with_examples(here: Path) -> None:
    """The page has the title, what it means, a wrong example, what is said of it, and a right one."""
    answer = perdure("explain", "pd403", COLUMNS="80")
    assert answer.code == 0
    assert (
        answer.out
        == """\
PD403: a duration without a unit

Seconds, milliseconds, minutes? Other systems differ, and a wrong guess is off
by a factor of a thousand. Write the unit.

Wrong

    dsl: perdure/1
    name: example
    version: 1.0.0
    do:
      - a: { call: A, timeout: 30 }

What perdure says

    example.perdure.yaml:5:28: error[PD403] the duration 30 has no unit
      |
    3 | version: 1.0.0
    4 | do:
    5 |   - a: { call: A, timeout: 30 }
      |                            ^^
      = help: write 30s, 30m or 30ms

Right

    dsl: perdure/1
    name: example
    version: 1.0.0
    do:
      - a: { call: A, timeout: 30s }

This cannot be ignored.
"""
    )


@pytest.mark.parametrize("code", ["PD401", "PD803", "PD901"])
def test_what_can_be_ignored_says_how(code: str, here: Path) -> None:
    """Warnings and the errors that a workflow can live with have the comment on their page."""
    assert f"'# perdure: ignore[{code}]'" in perdure("explain", code).out


def test_the_page_for_programs(here: Path) -> None:
    """--json has the parts of the page by name."""
    data = perdure("explain", "PD801", "--json").data
    assert (data["code"], data["title"]) == ("PD801", CODES["PD801"])
    assert (data["severity"], data["ignorable"]) == ("warning", True)
    assert data["says"].startswith("example.perdure.yaml:5:14: warning[PD801]")
    assert {"text", "wrong", "right"} <= {*data}


def test_without_a_code_all_are_listed_by_family(here: Path) -> None:
    """Each family has its heading, each code its title."""
    lines = perdure("explain").out.splitlines()
    assert [line for line in lines if line in FAMILIES.values()] == list(FAMILIES.values())
    assert [line[2:7] for line in lines if line.startswith("  PD")] == list(CODES)
    assert [each["code"] for each in perdure("explain", "--json").data] == list(CODES)


def test_a_code_that_does_not_exist_gets_a_guess(here: Path) -> None:
    """Exit code 4, and the nearest code."""
    answer = perdure("explain", "PD2O1")
    assert answer.code == 4
    assert "did you mean PD201?" in answer.err


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_text_fits_the_terminal(columns: int, here: Path) -> None:
    """Sentences are wrapped, at eighty columns at most; examples are left as they are."""
    page = perdure("explain", "PD235", COLUMNS=str(columns)).out
    _, _, text = page.split("\nWrong\n")[0].partition("\n\n")
    assert max(map(len, text.splitlines())) <= min(columns, 80)


FAILING = """\
dsl: perdure/1
name: failing
version: 1.0.0
do:
  - pause: { wait: 10ms }
  - bad: { value: "${ int(input.text) }" }
  - return: ${ bad }
"""


def test_a_failure_is_shown_with_its_step_and_place(here: Path) -> None:
    """By all who show an instance, and in the table though no event tells of it."""
    (here / "failing.perdure.yaml").write_text(FAILING)
    place = "  in step 'bad' (failing.perdure.yaml:6:5), attempt 1"
    ran = perdure("run", "failing.perdure.yaml", "--id", "one", "-i", "text=x")
    assert (ran.code, place in ran.err) == (1, True)
    assert place in perdure("show", "one").out
    explained = perdure("explain", "one")
    assert place in explained.out
    assert explained.out.splitlines()[-1].split() == ["do/1/bad", "(failed)", "6", "0", "0", "0", "-"]
    assert perdure("explain", "one", "--json").data["statistics"]["failed"]["line"] == 6
