"""``perdure schedules``."""

from __future__ import annotations

from pathlib import Path

from tests.engine.facts import eventually
from tests.sdk.cli.program import perdure, serving

YEARLY = """\
dsl: perdure/1
name: yearly
version: 1.0.0
schedule: [ { cron: "0 0 1 1 *", timezone: UTC } ]
do: [ return: done ]
"""


def test_a_schedule_is_managed(here: Path) -> None:
    """Through a server: listed, shown, paused, resumed, triggered, and its past filled in."""
    (here / "yearly.perdure.yaml").write_text(YEARLY)
    with serving(cwd=here) as url:

        def run(*words: str, code: int = 0) -> str:
            answer = perdure(*words, "--server", url)
            assert answer.code == code, answer.err
            return answer.out + answer.err

        run("deploy", "yearly.perdure.yaml")
        eventually(lambda: "no schedules" not in run("schedules", "list"))
        listed = run("schedules", "list")
        assert "0 0 1 1 *" in listed
        assert "paused yearly" in run("schedules", "pause", "yearly")
        assert "next      paused" in run("schedules", "show", "yearly")
        assert "resumed yearly" in run("schedules", "resume", "yearly")
        assert run("schedules", "trigger", "yearly").startswith("yearly@")
        first, last = "2020-12-01T00:00:00Z", "2021-02-01T00:00:00Z"
        run("schedules", "backfill", "yearly", "--from", first, "--to", last)
        eventually(lambda: not perdure("show", "yearly@2021-01-01T00:00:00Z", "--server", url).code)
        run("wait", "yearly@2021-01-01T00:00:00Z")
        assert "started  yearly@2021-01-01T00:00:00Z" in run("schedules", "show", "yearly")
        assert "no schedule 'other'" in run("schedules", "show", "other", code=4)


def test_without_a_worker_there_is_none_yet(here: Path) -> None:
    """A database that nobody works on has no schedules, and says so."""
    (here / "yearly.perdure.yaml").write_text(YEARLY)
    assert perdure("deploy", "yearly.perdure.yaml", "--db", "sqlite:///x.db").code == 0
    answer = perdure("schedules", "list", "--db", "sqlite:///x.db")
    assert (answer.code, answer.out) == (0, "")
    assert "no schedules" in answer.err
