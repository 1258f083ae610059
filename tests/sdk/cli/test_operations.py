"""What operators ask on the command line: dead letters and the audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.engine.store.rows import Worker
from perdure.engine.store.sqlite import SqliteStore
from tests.engine.letters import given_letters
from tests.sdk.cli.program import given_database, perdure
from tests.sdk.cli.test_manage import GREETING


@pytest.fixture(autouse=True)
def letters(here: Path) -> list[int]:
    """Numbers of two letters for the instance ``one``, and of one for nobody."""
    given_database(here)
    (here / "greeting.perdure.yaml").write_text(GREETING)
    assert perdure("deploy", "greeting.perdure.yaml").code == 0
    assert perdure("start", "greeting", "--id", "one").code == 0
    store = SqliteStore(here / ".perdure" / "perdure.db")
    numbers = given_letters(store, "one", "one", "nobody")
    store.close()
    return numbers


def test_dead_letters_are_listed(letters: list[int]) -> None:
    """Newest first, as a table or as documents."""
    answer = perdure("dlq", "list")
    assert [line.split()[0] for line in answer.out.splitlines()] == ["NUMBER", "3", "2", "1"]
    assert [each["number"] for each in perdure("dlq", "list", "--json").data] == letters[::-1]
    assert [each["number"] for each in perdure("dlq", "list", "--instance", "one", "--json").data] == [2, 1]


def test_a_page_says_where_the_next_one_begins() -> None:
    """For people on stderr, for programs beside the data."""
    answer = perdure("dlq", "list", "--limit", "2", "--json")
    rest = perdure("dlq", "list", "--cursor", answer.document["next"])
    assert (rest.code, len(rest.out.splitlines())) == (0, 2)
    assert "more: --cursor " in perdure("dlq", "list", "--limit", "2").err


def test_a_dead_letter_is_shown() -> None:
    """With what it holds."""
    assert '"input": "late"' in perdure("dlq", "show", "1").out
    assert perdure("dlq", "show", "1", "--json").data["event"]["name"] == "Go"
    assert perdure("dlq", "show", "9").code == 4


def test_dead_letters_are_delivered() -> None:
    """One that cannot be is told, and does not keep the others from it."""
    answer = perdure("dlq", "retry", "--all")
    assert answer.code == 4
    assert "cannot retry 1 of 3 dead letters:\n  3: there is no instance 'nobody'" in answer.err
    assert [each["number"] for each in perdure("dlq", "list", "--json").data] == [3]


def test_delivering_says_that_nobody_works() -> None:
    """It waits for a process."""
    answer = perdure("dlq", "retry", "1")
    assert (answer.code, answer.out) == (0, "")
    assert "delivering 1" in answer.err
    assert "no process works on this database" in answer.err


def test_dead_letters_are_discarded() -> None:
    """All of them, and then there are none."""
    assert perdure("dead-letters", "discard", "--all", "--yes", "--json").data == [
        {"number": number} for number in (1, 2, 3)
    ]
    assert perdure("dlq", "list").err == "no dead letters\n"
    assert "no dead letters" in perdure("dlq", "discard", "--all", "--yes").err


def test_discarding_asks() -> None:
    """Without a terminal it needs --yes."""
    answer = perdure("dlq", "discard", "1")
    assert answer.code == 2
    assert "to discard dead letter 1 without being asked, give --yes" in answer.err


@pytest.mark.parametrize("words", [(), ("1", "--all")])
def test_letters_are_named_or_all(words: tuple[str, ...]) -> None:
    """Neither none nor both."""
    answer = perdure("dlq", "retry", *words)
    assert answer.code == 2
    assert "give the numbers of dead letters, or --all" in answer.err


def test_the_audit_says_who_acted() -> None:
    """The option beats the environment, and without both it is local."""
    assert perdure("dlq", "discard", "1", "--yes", "--actor", "ann", PERDURE_ACTOR="bob").code == 0
    assert perdure("suspend", "one", "--reason", "lunch", PERDURE_ACTOR="bob").code == 0
    assert perdure("terminate", "one", "--yes").code == 0
    found = perdure("audit", "--json", "--target", "one").data
    assert [(each["actor"], each["action"], each["target"]) for each in found] == [
        ("local", "instance.terminate", "one"),
        ("bob", "instance.suspend", "one"),
        ("ann", "dead_letter.discard", "one"),
    ]
    assert perdure("audit", "--by", "bob").out.splitlines()[1].endswith("reason=lunch")
    assert perdure("audit", "--target", "two").err == "no entries\n"


def test_an_actor_is_named_in_print() -> None:
    """Else it is wrong usage."""
    answer = perdure("audit", "--actor", "a\nb")
    assert answer.code == 2
    assert "printable" in answer.err


def test_an_instance_is_explained() -> None:
    """What it waits for and what its history is made of; what is no code is an id."""
    answer = perdure("explain", "one")
    assert answer.code == 0
    assert answer.out.startswith("one is Pending\nhistory: 0 events, 0 bytes, 0 turns")
    data = perdure("explain", "one", "--json").data
    assert (data["id"], data["waiting"], data["statistics"]["steps"]) == ("one", [], [])
    assert perdure("explain", "nobody").code == 4


def test_workers_are_listed(here: Path) -> None:
    """With what they have; without any, that is said."""
    assert perdure("workers", "list").err == "no process works on this database\n"
    store = SqliteStore(here / ".perdure" / "perdure.db")
    store.join(Worker(id="w1", host="here", ir=1, activities=("Mail",)), 3600_000_000)
    store.take_slots("w1")
    titles, row = (line.split() for line in perdure("workers", "list").out.splitlines())
    assert (titles[:6], row[:6]) == (
        ["ID", "HOST", "ROLES", "QUEUES", "SLOTS", "TASKS"],
        ["w1", "here", "turns,activities", "-", "256", "0"],
    )
    (document,) = perdure("workers", "list", "--json").data
    assert (document["id"], document["slots"], document["tasks"]) == ("w1", 256, 0)
    assert "activities  Mail" in perdure("workers", "show", "w1").out
    assert perdure("workers", "show", "w1", "--json").data == document
    assert perdure("workers", "show", "w2").code == 4
    store.leave("w1")
    store.close()


def test_the_beginning_of_an_id_names_a_worker(here: Path) -> None:
    """As long as no other one begins so: nobody types 32 characters."""
    assert perdure("workers", "list").code == 0
    store = SqliteStore(here / ".perdure" / "perdure.db")
    for name in ("abc1", "abd2"):
        store.join(Worker(id=name, host="here", ir=1, queues=("slow",)), 3600_000_000)
    assert [line.split()[3] for line in perdure("workers", "list").out.splitlines()] == [
        "QUEUES",
        "slow",
        "slow",
    ]
    assert perdure("workers", "show", "abc", "--json").data["id"] == "abc1"
    several = perdure("workers", "drain", "ab")
    assert (several.code, "abc1, abd2" in several.err) == (4, True)
    assert perdure("workers", "drain", "").code == 4
    assert [each.draining for each in store.workers()] == [False, False]
    assert perdure("workers", "drain", "abd", "--json").data == [{"id": "abd2"}]
    assert [each.draining for each in store.workers()] == [False, True]
    for name in ("abc1", "abd2"):
        store.leave(name)
    store.close()
