"""Restart and resolve on a database, and through a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.facts import eventually
from tests.sdk.cli.program import given_database, perdure, serving

GREETING = """\
dsl: perdure/1
name: greeting
version: 1.0.0
input: { schema: { type: object, properties: { name: { type: string } } } }
do:
  - answered: { wait_for_event: Answer, timeout: 1h }
  - return: "${ input.name } ${ answered }"
"""


@pytest.fixture(autouse=True)
def deployed(here: Path) -> None:
    """An instance ``one`` of a deployed workflow, which nobody runs yet."""
    given_database(here)
    (here / "greeting.perdure.yaml").write_text(GREETING)
    assert perdure("deploy", "greeting.perdure.yaml").code == 0
    assert perdure("start", "greeting", "--id", "one", "-i", "name=Ada").code == 0


def begun(*to: str) -> None:
    """Wait until the instance waits: a server that is ready has not taken all turns yet."""
    eventually(lambda: "answered" in perdure("explain", "one", *to).out)


@pytest.mark.slow
def test_a_stuck_step_and_a_restart(here: Path) -> None:
    """A step is given its output by hand; afterwards all of it is done again with another input."""
    with serving(cwd=here) as url:
        to = ("--server", url)
        begun(*to)
        assert perdure("resolve", "one", "nowhere", "--skip", *to).code == 4
        assert perdure("restart", "one", "--yes", *to).code == 4
        assert perdure("resolve", "one", "answered", "--output", '"yes"', *to).err == "resolving one\n"
        assert perdure("wait", "one", "--timeout", "20s", "--json").data[0]["output"] == "Ada yes"
        assert perdure("restart", "one", "--yes", "-i", "name=Bob", *to).err == "restarting one\n"
        assert (
            perdure("resolve", "one", "do/0/answered", "--error", "GaveUp", "--message", "no", *to).code == 0
        )
        ended = perdure("wait", "one", "--timeout", "20s", "--json").data[0]
        assert (ended["error"]["message"], ended["generation"]) == ("no", 2)
        assert perdure("restart", "one", "--yes", "--id", "two", *to).out == "two\n"


@pytest.mark.slow
def test_on_a_database(here: Path) -> None:
    """What nobody carries out yet is told; what cannot be done is not written down."""
    assert perdure("resolve", "one", "answered", "--skip").code == 4
    assert perdure("terminate", "one", "--yes").code == 0
    with serving(cwd=here):
        assert perdure("wait", "one", "--timeout", "20s").code == 1
    answer = perdure("restart", "one", "--yes")
    assert (answer.code, "no process works on this database" in answer.err) == (0, True)
    with serving(cwd=here):
        assert perdure("show", "one", "--json").data["generation"] in {1, 2}


def test_a_rewind(here: Path) -> None:
    """After a dry run, what was terminated goes on where it was."""
    with serving(cwd=here) as url:
        to = ("--server", url)
        assert perdure("terminate", "one", "--yes", *to).code == 0
        assert perdure("wait", "one", "--timeout", "20s").code == 1
        assert perdure("rewind", "one", "--dry-run", *to).err == "one would go on: do/0/answered\n"
        assert perdure("rewind", "one", "--yes", *to).err == "rewinding one: do/0/answered\n"
        assert perdure("resolve", "one", "answered", "--output", '"yes"', *to).code == 0
        assert perdure("wait", "one", "--timeout", "20s").code == 0
        refused = perdure("rewind", "one", "--yes", *to)
        assert (refused.code, "nothing failed" in refused.err) == (4, True)
        assert perdure("rewind", "one").code == 2


def test_a_fork(here: Path) -> None:
    """Another instance goes on from a step."""
    with serving(cwd=here) as url:
        to = ("--server", url)
        begun(*to)
        assert perdure("fork", "one", "answered", "--id", "two", *to).out == "two\n"
        assert perdure("resolve", "two", "answered", "--output", '"yes"', *to).code == 0
        assert perdure("wait", "two", "--timeout", "20s").code == 0
        assert perdure("fork", "one", "nothing", *to).code == 4


@pytest.mark.parametrize(
    "words",
    [
        ["resolve", "one", "answered"],
        ["resolve", "one", "answered", "--skip", "--output", "1"],
        ["resolve", "one", "answered", "--skip", "--message", "m"],
        ["restart", "one"],
        ["restart", "one", "two", "--yes", "--id", "three"],
        ["restart", "one", "--yes", "--id", "three", "--new-id"],
    ],
)
def test_what_is_not_clear_is_refused(words: list[str]) -> None:
    """Exit code 2."""
    assert perdure(*words).code == 2
