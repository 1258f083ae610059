"""``perdure events publish``, beside a server on the same database and through it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.facts import eventually
from tests.sdk.cli.program import call, given_database, perdure, serving

PAY = """\
dsl: perdure/1
name: pay
version: 1.0.0
do:
  - paid: { wait_for_event: Paid, correlate: "${ event.order == input }", timeout: never }
  - return: ${ paid }
"""


@pytest.fixture(autouse=True)
def deployed(here: Path) -> None:
    """The workflow is deployed in the working directory's database."""
    given_database(here)
    (here / "pay.perdure.yaml").write_text(PAY)
    assert perdure("deploy", "pay.perdure.yaml").code == 0


def test_nobody_waits() -> None:
    """Exit code 4, and why it is not kept."""
    answer = perdure("events", "publish", "Paid", "--data", '{"order": 1}')
    assert (answer.code, answer.out) == (4, "")
    assert "nobody waits for an event 'Paid' of this content" in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("remote", [True, False])
def test_the_ids_of_who_waits_are_printed(here: Path, remote: bool) -> None:
    """And the instance goes on, whoever wrote the message."""
    with serving(cwd=here) as url:
        where = ["--server", url] if remote else []
        assert call("start", "pay", "--id", "one", "--input", "1", *where, cwd=here).code == 0
        eventually(lambda: call("show", "one", "--json", *where, cwd=here).data["waiting"])
        answer = call("events", "publish", "Paid", "--data", '{"order": 1}', *where, cwd=here)
        assert (answer.code, answer.out) == (0, "one\n")
        assert call("wait", "one", *where, cwd=here).code == 0
