"""``perdure complete``, on a database and through a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.program import call, given_database, perdure, serving

ASK = """\
dsl: perdure/1
name: ask
version: 1.0.0
do:
  - said: { call: Ask }
  - return: ${ said }
"""
ACTIVITIES = """\
from pathlib import Path
from perdure import Context, Pending, activity

@activity("Ask")
def ask(ctx: Context) -> None:
    Path("token.new").write_text(ctx.token())
    Path("token.new").rename("token")
    raise Pending
"""


def test_what_is_no_token(here: Path) -> None:
    """Exit code 4."""
    given_database(here)
    answer = perdure("complete", "nothing")
    assert (answer.code, answer.out) == (4, "")
    assert "there is no such token" in answer.err


@pytest.mark.parametrize(
    "words", [("--output", "1", "--error", "No"), ("--message", "m"), ("--data", "1"), ("--no-retry",)]
)
def test_options_that_do_not_fit(words: tuple[str, ...]) -> None:
    """Exit code 2."""
    assert perdure("complete", "token", *words).code == 2


@pytest.mark.slow
@pytest.mark.parametrize("remote", [True, False])
def test_the_instance_goes_on(here: Path, remote: bool) -> None:
    """Whoever wrote the answer down."""
    (here / "ask.perdure.yaml").write_text(ASK)
    (here / "activities.py").write_text(ACTIVITIES)
    with serving(cwd=here) as url:
        where = ["--server", url] if remote else []
        assert call("deploy", "ask.perdure.yaml", *where, cwd=here).code == 0
        for words, code in (["--output", '"yes"'], 0), (["--error", "No", "--message", "never"], 1):
            (here / "token").unlink(missing_ok=True)
            name = f"exit-{code}"
            assert call("start", "ask", "--id", name, *where, cwd=here).code == 0
            while not (here / "token").exists():
                call("show", name, *where, cwd=here)
            token = (here / "token").read_text()
            assert call("complete", token, *words, *where, "--json", cwd=here).data == {"changed": True}
            assert call("complete", token, *words, *where, "--json", cwd=here).data == {"changed": False}
            assert call("wait", name, *where, cwd=here).code == code
