"""The management commands on a database that nobody serves, and through a server."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.sdk.cli.program import PERDURE, Answer, call, given_database, perdure, serving

GREETING = """\
dsl: perdure/1
name: greeting
version: 1.0.0
input: { schema: { type: [object, "null"], properties: { name: { type: string } } } }
events:
  Answer: { schema: { type: boolean } }
do:
  - answered:
      wait_for_event: Answer
      timeout: 1h
  - return: "${ input == null ? 'nobody' : input.name } ${ answered }"
"""
CALLING = """\
dsl: perdure/1
name: calling
version: 1.0.0
do:
  - done: { call: Nothing }
  - return: ${ done }
"""
MISSING = ["show", "history", "suspend", "resume", "wait"]


@pytest.fixture(autouse=True)
def deployed(here: Path) -> None:
    """Both workflows are deployed in the working directory's database."""
    given_database(here)
    (here / "greeting.perdure.yaml").write_text(GREETING)
    (here / "calling.perdure.yaml").write_text(CALLING)
    assert perdure("deploy", "greeting.perdure.yaml", "calling.perdure.yaml").code == 0


def given_instance(name: str = "one", workflow: str = "greeting") -> str:
    """An instance that nobody runs yet; its id."""
    assert perdure("start", workflow, "--id", name, "--tag", "team=a").code == 0
    return name


def test_deploying_again_changes_nothing() -> None:
    """A version that is there is reported as unchanged."""
    answer = perdure("deploy", "greeting.perdure.yaml")
    assert (answer.code, answer.out) == (0, "greeting@1.0.0 unchanged\n")


def test_a_version_has_one_content(here: Path) -> None:
    """Other content under a deployed version is a conflict, exit code 4."""
    (here / "greeting.perdure.yaml").write_text(GREETING.replace("1h", "2h"))
    answer = perdure("deploy", "greeting.perdure.yaml", "--json")
    assert answer.code == 4
    assert answer.document["error"]["code"] == "definition_conflict"


def test_a_bad_file_is_not_deployed(here: Path) -> None:
    """What has errors is shown with carets, and exits with 1."""
    (here / "bad.perdure.yaml").write_text(GREETING.replace("timeout: 1h", "tiemout: 1h"))
    answer = perdure("deploy", "bad.perdure.yaml")
    assert answer.code == 1
    assert "did you mean 'timeout'?" in answer.err
    assert "^^^^^^^" in answer.err


def test_a_number_for_text_is_told_how_to_be_text() -> None:
    """``-i`` takes JSON where it can; the hint shows the quotes."""
    answer = perdure("start", "greeting", "-i", "name=3")
    assert answer.code == 2
    assert """-i KEY='"3"'""" in answer.err


def test_start_prints_the_id() -> None:
    """Without --wait the answer is the id, or the instance's document."""
    assert perdure("start", "greeting", "--id", "one", "-i", "name=Ada").out == "one\n"
    document = perdure("start", "greeting@1.0.0", "--id", "two", "--json").data
    assert (document["id"], document["version"]) == ("two", "1.0.0")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["start", "nothing"], 4, "not_found"),
        (["start", "greeting@9.9.9"], 4, "not_found"),
        (["start", "greeting", "-i", "name=5"], 2, "schema"),
        (["start", "greeting", "--id", "a/b"], 2, "invalid_id"),
        (["start", "greeting", "--timeout", "5s"], 2, "usage"),
        (["start", "greeting", "--wait", "--timeout", "5"], 2, "usage"),
        (["start", "greeting", "--tag", "x"], 2, "usage"),
        (["list", "--status", "Sleeping"], 2, "invalid"),
        (["list", "--cursor", "???"], 2, "invalid_cursor"),
        (["events", "send", "nobody", "Answer"], 4, "not_found"),
        (["cancel", "nobody"], 4, "not_found"),
        (["terminate", "nobody", "--yes"], 4, "not_found"),
        *[([verb, "nobody"], 4, "not_found") for verb in MISSING],
    ],
)
def test_what_cannot_be_done_says_why(words: list[str], code: int, error: str) -> None:
    """Every refusal has its exit code and its stable code."""
    answer = perdure(*words, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (code, error)


def test_an_absent_input_is_told_by_what_it_needs(here: Path) -> None:
    """Of a deployed workflow too, the fields that are missing are named when nothing was given."""
    wanting = CALLING.replace("do:\n", "input: { schema: { type: object, required: [a, b] } }\ndo:\n")
    (here / "wanting.perdure.yaml").write_text(wanting.replace("calling", "wanting"))
    assert perdure("deploy", "wanting.perdure.yaml").code == 0
    answer = perdure("start", "wanting@1.0.0")
    assert (answer.code, answer.out) == (2, "")
    assert "no input was given; it needs a, b\n" in answer.err


def test_an_id_is_used_once() -> None:
    """Starting under an id in use is a conflict."""
    given_instance()
    assert perdure("start", "greeting", "--id", "one").code == 4


def test_list_shows_what_is_there(snapshot: SnapshotAssertion) -> None:
    """Newest first, one row an instance, plain columns without a terminal."""
    given_instance("first")
    given_instance("second", "calling")
    assert perdure("list").stable() == snapshot


def test_list_filters_and_pages() -> None:
    """By status, name and tag; a cursor leads to the next page."""
    for name in ("a", "b", "c"):
        given_instance(name)
    given_instance("d", "calling")
    assert [each["id"] for each in perdure("ls", "--name", "calling", "--json").data] == ["d"]
    assert perdure("list", "--tag", "team=b", "--json").data == []
    assert perdure("list", "--status", "failed", "--json").data == []
    page = perdure("list", "--limit", "3", "--status", "Pending", "--json").document
    rest = perdure("list", "--limit", "3", "--cursor", page["next"], "--json").document
    assert [each["id"] for each in page["data"] + rest["data"]] == ["d", "c", "b", "a"]
    assert "next" not in rest


def test_an_event_is_checked_before_it_is_sent() -> None:
    """A payload that does not fit the event's schema is refused; one that does is sent."""
    given_instance()
    assert perdure("events", "send", "one", "Answer", "--data", '"yes"').code == 2
    sent = perdure("events", "send", "one", "Answer", "--data", "true", "--dedup-key", "k")
    assert (sent.code, sent.out, sent.err) == (0, "", "sent Answer to one\n")


def test_data_of_an_event_may_come_from_a_pipe() -> None:
    """``--data -`` reads standard input."""
    given_instance()
    assert perdure("events", "send", "one", "Answer", "--data", "-", input="false").code == 0
    assert perdure("events", "send", "one", "Answer", "--data", "-", input="{").code == 2


def test_termination_is_asked_for() -> None:
    """Without a terminal to ask on, ``terminate`` wants --yes."""
    given_instance()
    refused = perdure("terminate", "one")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert perdure("terminate", "one", "--yes", "--reason", "test").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "code", "status"), [("y\n", 0, "Terminated"), ("n\n", 1, "Running")])
def test_a_terminal_is_asked(typed: str, code: int, status: str, here: Path) -> None:
    """On a terminal ``terminate`` asks; no means that nothing is done, exit code 1."""
    given_instance()
    controller, terminal = pty.openpty()
    os.write(controller, typed.encode())
    process = subprocess.run(
        [PERDURE, "terminate", "one"], cwd=here, stdin=terminal, stdout=terminal, stderr=terminal, check=False
    )
    asked = os.read(controller, 65536).decode()
    os.close(terminal)
    os.close(controller)
    assert process.returncode == code
    assert "Terminate one? [y/N]" in asked
    with serving(cwd=here):
        ended = perdure("wait", "one", "--timeout", "1s", "--json").data[0]["status"]
    assert ended == status


def test_one_that_is_missing_does_not_save_the_others() -> None:
    """Verbs act on every id they can, and tell of those they cannot."""
    given_instance()
    answer = perdure("suspend", "nobody", "one", "--json")
    assert answer.code == 4
    assert answer.document["error"]["details"]["done"] == [{"id": "one", "changed": True}]


def test_several_ids_are_reported_one_by_one() -> None:
    """Each id has its line: what was done for it, or why not."""
    given_instance("one")
    given_instance("two")
    answer = perdure("suspend", "one", "nope", "two", "neither")
    assert answer.code == 4
    assert "suspending one\nsuspending two\n" in answer.err
    assert "cannot suspend 2 of 4 instances:\n  nope: there is no instance 'nope'\n  neither: " in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ["suspend", "two"],
        ["resume", "one"],
        ["cancel", "one"],
        ["terminate", "one", "--yes"],
        ["show", "one"],
        ["wait", "one", "--timeout", "10ms"],
        ["start", "greeting", "--id", "three"],
    ],
)
def test_what_nobody_carries_out_is_told(words: list[str]) -> None:
    """On a database that no process works on, commands say what they wait for, unless they are quiet."""
    given_instance()
    given_instance("two")
    assert perdure("suspend", "one", "--quiet").err == ""
    assert "no process works on this database" in perdure(*words).err


@pytest.mark.slow
def test_a_served_database_is_not_complained_of(here: Path) -> None:
    """While ``serve`` runs, nobody is told that nobody works."""
    with serving(cwd=here):
        given_instance()
        assert perdure("show", "one").err == ""
        assert perdure("terminate", "one", "--yes").err == "terminating one\n"


def test_a_missing_instance_names_the_place() -> None:
    """Whoever looks in the wrong database sees which one it was, without its password."""
    assert "looked in sqlite:///.perdure/perdure.db" in perdure("show", "nobody").err
    assert "looked in memory://" in perdure("suspend", "nobody", "--db", "memory://").err


def test_an_address_from_the_environment_is_told() -> None:
    """A server that does not answer may be one that nobody thought of."""
    nobody = "http://127.0.0.1:1"
    assert "PERDURE_SERVER" in perdure("list", PERDURE_SERVER=nobody).err
    assert "PERDURE_SERVER" in perdure("deploy", "greeting.perdure.yaml", PERDURE_SERVER=nobody).err
    assert "PERDURE_SERVER" not in perdure("list", "--server", nobody).err


def test_show_has_input_and_tags() -> None:
    """``show`` prints what an instance was started with."""
    perdure("start", "greeting", "--id", "one", "-i", "name=Ada", "--tag", "team=a")
    shown = perdure("show", "one").out
    assert "team=a" in shown
    assert '"name": "Ada"' in shown


def test_waiting_is_bounded() -> None:
    """Nothing ends without a worker: ``wait --timeout`` gives 124, with the present state as its answer."""
    given_instance()
    answer = perdure("wait", "one", "--timeout", "10ms")
    assert (answer.code, answer.out) == (124, "one Pending\n")
    assert perdure("start", "greeting", "--id", "two", "--wait", "--timeout", "10ms").code == 124


def outcome(answer: Answer) -> Answer:
    """The answer of a call that did what it should."""
    assert answer.code == 0, answer.err
    return answer


@pytest.mark.slow
def test_beside_a_server_on_the_same_database(here: Path, snapshot: SnapshotAssertion) -> None:
    """While ``serve`` runs, the other commands work on its database: nothing is ever locked."""
    with serving(cwd=here):
        given_instance("one")
        given_instance("two", "calling")
        perdure("wait", "one", "--timeout", "500ms")
        shown = [perdure("show", "one").stable(), perdure("show", "two").stable()]
        ran = call("run", "greeting.perdure.yaml", "--id", "mine", "--timeout", "300ms", cwd=here)
        outcome(perdure("events", "send", "one", "Answer", "--data", "true"))
        done = outcome(perdure("wait", "one", "--timeout", "20s"))
    assert shown == snapshot
    assert (ran.code, done.out) == (124, "one Completed\n")


def test_through_a_server(here: Path) -> None:
    """Every management verb does the same through --server."""
    with serving(cwd=here) as url:
        to = ("--server", url)
        assert perdure("deploy", "greeting.perdure.yaml", *to).out == "greeting@1.0.0 unchanged\n"
        outcome(perdure("start", "greeting", "--id", "far", "-i", "name=Ada", "--tag", "team=b", *to))
        outcome(perdure("suspend", "far", "--reason", "lunch", *to))
        outcome(perdure("resume", "far", *to))
        outcome(perdure("events", "send", "far", "Answer", "--data", "true", *to))
        assert outcome(perdure("wait", "far", "--timeout", "20s", *to)).out == "far Completed\n"
        assert 'output    "Ada true"' in outcome(perdure("show", "far", *to)).out
        assert "ExecutionCompleted" in outcome(perdure("history", "far", *to)).out
        assert [each["id"] for each in perdure("list", "--tag", "team=b", "--json", *to).data] == ["far"]
        assert perdure("terminate", "far", "--yes", *to).code == 4
        assert perdure("show", "nobody", *to).code == 4
        assert perdure("start", "greeting", "-i", "name=5", *to).code == 2


def test_serve_refuses_what_others_could_reach(here: Path) -> None:
    """Without a key, only loopback addresses are served."""
    answer = perdure("serve", "--host", "0.0.0.0", "--port", "0")
    assert answer.code == 2
    assert "perdure keys create" in answer.err
