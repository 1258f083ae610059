"""``perdure entities``, on a database and through a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.counter import COUNTER
from tests.sdk.cli.program import call, given_database, perdure, serving

ADDS = """\
dsl: perdure/1
name: adds
version: 1.0.0
do:
  - sum: { call_entity: Counter@a, op: add, with: "${ input }" }
  - return: ${ sum }
"""


@pytest.fixture(autouse=True)
def files(here: Path) -> None:
    """An entity in a file of its own, and with a workflow that speaks to it."""
    given_database(here)
    (here / "counter.perdure.yaml").write_text(COUNTER)
    (here / "adds.perdure.yaml").write_text(COUNTER + "---\n" + ADDS)


def test_run_finds_the_entities_of_its_file() -> None:
    """They are deployed to the database, where their states stay."""
    assert perdure("run", "adds.perdure.yaml", "--input", "3").out == "3\n"
    assert perdure("run", "adds.perdure.yaml", "--input", "4").out == "7\n"
    shown = perdure("entities", "show", "Counter@a")
    assert shown.out.endswith("state    7\n")
    listed = perdure("entities", "list", "--name", "Counter", "--json").data
    assert [(each["id"], each["state"]) for each in listed] == [("Counter@a", 7)]
    assert "Counter@a" in perdure("entities", "list").out


def test_what_is_sent_waits_for_a_process() -> None:
    """Without one, a signal and a delete are durable, and a call takes too long."""
    assert perdure("deploy", "counter.perdure.yaml").out == "Counter@1.0.0 created\n"
    sent = perdure("entities", "signal", "Counter@a", "add", "--data", "5")
    assert (sent.code, sent.out) == (0, "")
    assert "no process works on this database" in sent.err
    answer = perdure("entities", "call", "Counter@a", "add", "--data", "1", "--timeout", "0s")
    assert answer.code == 124
    assert perdure("entities", "show", "Counter@a").code == 4
    assert perdure("run", "adds.perdure.yaml", "--input", "10").out == "16\n"
    assert perdure("entities", "delete", "Counter@a", "--yes", "--reason", "old").code == 0
    assert perdure("run", "adds.perdure.yaml", "--input", "1").out == "1\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("signal", "Counter@a", "burn"), 4),
        (("signal", "Counter@a", "add", "--data", '"x"'), 2),
        (("signal", "Nothing@a", "add"), 4),
        (("show", "Counter"), 2),
        (("delete", "Counter@a"), 2),
    ],
)
def test_what_cannot_be_done_is_said(words: tuple[str, ...], code: int) -> None:
    """Unknown things are 4, wrong ones 2; deleting asks first."""
    assert perdure("deploy", "counter.perdure.yaml").code == 0
    assert perdure("entities", *words).code == code


@pytest.mark.slow
def test_a_server_does_the_same(here: Path) -> None:
    """Through HTTP; a failure is exit code 1 with the error's type."""
    with serving(cwd=here) as url:
        server = ("--server", url)
        assert call("deploy", "counter.perdure.yaml", *server, cwd=here).code == 0
        assert call("entities", "call", "Counter@a", "add", "--data", "2", *server, cwd=here).out == "2\n"
        assert call("entities", "signal", "Counter@a", "add", "--data", "2", *server, cwd=here).code == 0
        failed = call("entities", "call", "Counter@a", "fail", *server, cwd=here)
        assert (failed.code, failed.err) == (1, "Error: Never: it is 4\n")
        assert call("entities", "list", *server, "--json", cwd=here).data[0]["state"] == 4
        assert call("entities", "delete", "Counter@a", "--yes", *server, cwd=here).code == 0
