"""``perdure query``, on a database and through a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.program import call, given_database, perdure, serving

ASKED = """\
dsl: perdure/1
name: asked
version: 1.0.0
queries: { left: { of: "${ input }", is: "${ input - 1 }" } }
do:
  - go: { wait_for_event: Go, timeout: never }
"""
SHOWN = '{\n  "of": 3,\n  "is": 2\n}\n'


@pytest.fixture(autouse=True)
def instance(here: Path) -> None:
    """An instance that nobody runs yet."""
    given_database(here)
    (here / "asked.perdure.yaml").write_text(ASKED)
    assert perdure("deploy", "asked.perdure.yaml").code == 0
    assert perdure("start", "asked", "--id", "one", "--input", "3").code == 0


def test_a_query_is_answered() -> None:
    """Its value alone for people, with its names as data."""
    assert perdure("query", "one", "left").out == SHOWN
    assert perdure("query", "one", "left", "--json").data == {
        "id": "one", "query": "left", "value": {"of": 3, "is": 2}
    }  # fmt: skip


def test_an_unknown_query_names_the_others() -> None:
    """Exit code 4, and what the workflow answers."""
    answer = perdure("query", "one", "right")
    assert answer.code == 4
    assert "it answers: left" in answer.err


@pytest.mark.slow
def test_a_server_answers_the_same(here: Path) -> None:
    """Through HTTP, in another process."""
    with serving(cwd=here) as url:
        assert call("query", "one", "left", "--server", url, cwd=here).out == SHOWN
