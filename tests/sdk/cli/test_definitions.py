"""``perdure definitions`` and what ``perdure deploy`` says of versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.program import call, given_database, perdure, serving

OLD = """\
dsl: perdure/1
name: order
version: 1.0.0
queries: { left: "${ input }" }
do:
  - return: ${ input }
"""
NEW = OLD.replace("1.0.0", "1.1.0").replace('queries: { left: "${ input }" }\n', "")


@pytest.fixture(autouse=True)
def deployed(here: Path) -> None:
    """The first version is deployed in the working directory's database."""
    given_database(here)
    (here / "old.perdure.yaml").write_text(OLD)
    (here / "new.perdure.yaml").write_text(NEW)
    assert perdure("deploy", "old.perdure.yaml").code == 0


def test_a_break_is_refused_and_can_be_allowed() -> None:
    """Exit code 4 with the report; then a remark, and the version is deployed."""
    refused = perdure("deploy", "new.perdure.yaml")
    assert (refused.code, refused.out) == (4, "")
    assert "order@1.1.0 breaks what 1.0.0 promises" in refused.err
    assert "query 'left' is removed" in refused.err
    allowed = perdure("deploy", "new.perdure.yaml", "--allow-breaking", "--no-activate")
    assert (allowed.code, allowed.out) == (0, "order@1.1.0 created, not active\n")
    assert "order@1.1.0 breaks: query 'left' is removed" in allowed.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("start ordr", 4, "there is no definition 'ordr'\n  hint: did you mean 'order'?"),
        ("start order@2.0.0", 4, "hint: deployed are 1.0.0"),
        ("start nothing", 4, "hint: deploy it first"),
        ("definitions show ordre", 4, "did you mean 'order'?"),
        ("definitions activate ordr@1.0.0", 4, "did you mean 'order'?"),
        ("definitions list ordr", 0, "did you mean 'order'?"),
        ("list --name ordr", 0, "no instances: there is no definition 'ordr'\n  hint: did you mean 'order'?"),
        ("list --name order", 0, "no instances\n"),
        ("show order", 4, "order is a workflow: perdure list --name order"),
    ],
)
def test_a_misspelt_name_is_told_with_the_one_that_was_meant(words: str, code: int, said: str) -> None:
    """Or with what it is instead."""
    answer = perdure(*words.split())
    assert (answer.code, said in answer.err) == (code, True), answer.err


def test_a_dry_run_deploys_nothing() -> None:
    """It says what would happen."""
    answer = perdure("deploy", "new.perdure.yaml", "--allow-breaking", "--dry-run")
    assert answer.out == "order@1.1.0 would be created\n"
    assert [each["version"] for each in perdure("definitions", "list", "--json").data] == ["1.0.0"]


@pytest.mark.parametrize("name", ["missing", "below/missing"])
def test_a_dry_run_where_there_is_no_database_makes_none(here: Path, name: str) -> None:
    """It once made one, with its directory; now it says that there is none, and that all would be new."""
    before = set(here.iterdir())
    answer = perdure("deploy", "old.perdure.yaml", "--dry-run", "--db", f"sqlite:///{name}.db")
    assert (answer.code, answer.out) == (0, "order@1.0.0 would be created\n")
    assert f"all is new: there is no database {name}.db\n" in answer.err
    assert set(here.iterdir()) == before


def test_other_content_is_shown(here: Path) -> None:
    """What the version would mean instead."""
    (here / "old.perdure.yaml").write_text(OLD.replace("return: ${ input }", "return: 1"))
    answer = perdure("deploy", "old.perdure.yaml")
    assert answer.code == 4
    assert "- do/0: Return value=${ input }" in answer.err
    assert "+ do/0: Return value=1" in answer.err


def test_versions_are_listed_shown_and_chosen() -> None:
    """The active one, the retired one, and the source of either."""
    perdure("deploy", "new.perdure.yaml", "--allow-breaking")
    assert perdure("definitions", "retire", "order@1.0.0").code == 0
    assert [line.split()[:3] for line in perdure("definitions", "list").out.splitlines()[1:]] == [
        ["order", "1.1.0", "active"],
        ["order", "1.0.0", "retired"],
    ]
    assert perdure("definitions", "show", "order@1.0.0").out == OLD
    assert perdure("start", "order@1.0.0").code == 4
    assert perdure("def", "activate", "order@1.0.0").code == 0
    assert perdure("definitions", "show", "order").out == OLD
    assert perdure("definitions", "activate", "order@3.0.0").code == 4
    assert perdure("definitions", "retire", "order").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("remote", [True, False])
def test_versions_are_compared(here: Path, remote: bool) -> None:
    """In what they mean; on a database and through a server alike."""
    with serving(cwd=here) as url:
        where = ["--server", url] if remote else []
        assert call("deploy", "new.perdure.yaml", "--allow-breaking", *where, cwd=here).code == 0
        answer = call("definitions", "diff", "order@1.0.0", "order@1.1.0", *where, cwd=here)
        assert answer.out == "- query left = ${ input }\nbreaks: query 'left' is removed\n"
        assert call("definitions", "activate", "order@1.0.0", *where, cwd=here).code == 0


WAITING = OLD.replace("name: order", "name: waits").replace("return: ${ input }", "go: { wait: 1h }")


def test_instances_move_to_another_version(here: Path) -> None:
    """A dry run says whether they can; what has not begun, or has another past, cannot."""
    (here / "waits.perdure.yaml").write_text(WAITING)
    assert perdure("deploy", "waits.perdure.yaml").code == 0
    assert perdure("start", "waits", "--id", "one").code == 0
    same = perdure("migrate", "one", "--to", "1.0.0")
    assert (same.code, "one runs that version already" in same.err) == (0, True)
    (here / "waits.perdure.yaml").write_text(WAITING.replace("1.0.0", "1.1.0"))
    assert perdure("deploy", "waits.perdure.yaml").code == 0
    refused = perdure("migrate", "one", "--to", "1.1.0", "--dry-run")
    assert refused.code == 4
    assert "has not begun" in refused.err
    assert perdure("migrate", "one", "--to", "9.0.0").code == 4


def test_a_directory_is_deployed_with_all_in_it(here: Path) -> None:
    """Tests beside the workflows are passed over; alone they are nothing to deploy."""
    folder = here / "flows" / "more"
    folder.mkdir(parents=True)
    (folder / "next.perdure.yaml").write_text(OLD.replace("order", "next"))
    cases = (
        "dsl: perdure/1\nkind: test\nworkflow: next\ncases:\n- { name: one, expect: { status: Completed } }\n"
    )
    (here / "flows" / "next.perdure-test.yaml").write_text(cases)
    assert perdure("deploy", "flows").out == "next@1.0.0 created\n"
    alone = perdure("deploy", "flows/next.perdure-test.yaml")
    assert (alone.code, "holds only tests" in alone.err) == (2, True)
    (here / "empty").mkdir()
    empty = perdure("deploy", "empty")
    assert (empty.code, "no workflow file below empty" in empty.err) == (2, True)


def test_a_checked_deploy_says_how_many_it_replayed() -> None:
    """Of versions of which nothing runs, none; of the one that is active, that there is nothing to ask."""
    answer = perdure("deploy", "new.perdure.yaml", "--allow-breaking", "--check-replay")
    assert (answer.code, "order@1.1.0 replays 0 running instances\n" in answer.err) == (0, True)
    again = perdure("deploy", "new.perdure.yaml", "--check-replay")
    assert again.code == 0
    assert again.err.startswith("order@1.1.0 is deployed already, and active")
