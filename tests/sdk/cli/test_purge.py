from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.sdk.cli.program import PERDURE, given_database, perdure

ECHO = "dsl: perdure/1\nname: echo\nversion: 1.0.0\ndo:\n- return: ${ input }\n"


@pytest.fixture(autouse=True)
def workflow(here: Path) -> Path:
    """A file that runs at once to its end."""
    given_database(here)
    path = here / "echo.perdure.yaml"
    path.write_text(ECHO)
    return path


def given_ended(*ids: str) -> None:
    """Instances that have completed."""
    for id_ in ids:
        assert perdure("run", "echo.perdure.yaml", "--id", id_).code == 0


def listed() -> list[str]:
    """The ids that are left."""
    return sorted(each["id"] for each in perdure("list", "--json").data)


def test_ids_are_purged() -> None:
    """With all their rows; the others stay."""
    given_ended("a", "b")
    answer = perdure("purge", "a", "--yes", "--json")
    rows = {"history": 1, "instances": 1, "payloads": 2}
    assert (answer.code, answer.data) == (0, [{"id": "a", "instances": 1, "rows": rows}])
    assert listed() == ["b"]


def test_one_that_cannot_go_does_not_keep_the_others() -> None:
    """Each has its line; the exit code is the worst one's."""
    given_ended("a")
    assert perdure("deploy", "echo.perdure.yaml").code == 0
    assert perdure("start", "echo", "--id", "waits").code == 0
    answer = perdure("purge", "waits", "a", "nobody", "--yes", "--json")
    assert answer.code == 4
    details = answer.document["error"]["details"]
    assert [each["id"] for each in details["done"]] == ["a"]
    assert [(each["id"], each["code"]) for each in details["failed"]] == [
        ("waits", "not_ended"),
        ("nobody", "not_found"),
    ]
    assert listed() == ["waits"]


def test_all_that_match_are_purged() -> None:
    """By status, name and age; the answer counts rows."""
    given_ended("a", "b")
    nothing = perdure("purge", "--older-than", "1h", "--yes", "--json")
    assert nothing.data["instances"] == 0
    answer = perdure(
        "purge", "--status", "completed", "--name", "echo", "--older-than", "0s", "--yes", "--json"
    )
    assert answer.data == {
        "instances": 2,
        "rows": {"history": 2, "instances": 2, "payloads": 4},
        "left": [],
    }
    assert listed() == []


def test_a_dry_run_deletes_nothing() -> None:
    """It says what would go, and needs no confirmation."""
    given_ended("a", "b")
    assert "2 instances would be purged" in perdure("purge", "--status", "completed", "--dry-run").err
    assert "a would be purged" in perdure("purge", "a", "--dry-run").err
    assert perdure("purge", "nobody", "--dry-run").code == 4
    assert listed() == ["a", "b"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a", "--status", "completed"],
        ["--status", "completed", "--leave-running", "--yes"],
        ["--status", "running", "--yes"],
        ["a"],
        ["--status", "completed"],
    ],
)
def test_what_is_meant_must_be_said(words: list[str]) -> None:
    """Ids or a filter, and --yes where nobody can be asked."""
    given_ended("a")
    assert perdure("purge", *words).code == 2
    assert listed() == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, []), ("n\n", 1, ["a", "b"])])
def test_a_terminal_is_asked(typed: str, code: int, left: list[str], here: Path) -> None:
    """With the number of those that match."""
    given_ended("a", "b")
    controller, terminal = pty.openpty()
    os.write(controller, typed.encode())
    process = subprocess.run(
        [PERDURE, "purge", "--status", "completed"],
        cwd=here,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        check=False,
    )
    asked = os.read(controller, 65536).decode()
    os.close(terminal)
    os.close(controller)
    assert process.returncode == code
    assert "Purge 2 instances with their children?" in asked
    assert listed() == left


def test_a_start_says_what_an_id_in_use_means() -> None:
    """It is refused, left as it is, or replaced; an event may come with it, or later."""
    assert perdure("deploy", "echo.perdure.yaml").code == 0
    given_ended("a")
    assert perdure("start", "echo", "--id", "a").code == 4
    assert (
        perdure("start", "echo", "--id", "a", "--if-exists", "reuse", "--json").data["status"] == "Completed"
    )
    replaced = perdure(
        "start", "echo", "--id", "a", "--if-exists", "replace_ended", "--delay", "1h", "--json"
    )
    assert replaced.data["status"] == "Pending"
    assert perdure("start", "echo", "--id", "b", "--at", "soon").code == 2
    assert perdure("start", "echo", "--id", "b", "--data", "1").code == 2
    assert perdure("start", "echo", "--id", "b", "--event", "Nothing").code == 2
    assert listed() == ["a"]
