from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.sdk.cli.program import call, finished, perdure, spawn

FILE = "case.perdure.yaml"
HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\n"
ECHO = HEADER + "do:\n  - said: { call: Say, with: '${ input.word }' }\n  - return: ${ said }\n"
WAITING = (
    HEADER + "events:\n  Go: {}\ndo:\n  - gone: { wait_for_event: Go, timeout: 1h }\n  - return: ${ gone }\n"
)
WANTING = "input: { schema: { type: object, required: [word, times] } }\n"
ROUNDS = """\
do:
  - if: ${ input.n == 0 }
    then:
      - return: 0
  - continue_as_new: { input: { n: "${ input.n - 1 }" } }
"""
ACTIVITIES = """\
import perdure


@perdure.activity("Say")
def say(word: str, ctx: perdure.Context) -> str:
    if word == "bad":
        raise perdure.ActivityError("not that word", type="BadWord")
    if word == "twice" and ctx.attempt < 2:
        raise ConnectionError("nobody there")
    return word
"""


@pytest.fixture(autouse=True)
def activities(here: Path) -> None:
    """activities.py stands beside the workflow."""
    (here / "activities.py").write_text(ACTIVITIES)


def given(here: Path, text: str) -> None:
    """The workflow file of a test."""
    (here / FILE).write_text(text)


def waiting(here: Path, *words: str) -> subprocess.Popen[str]:
    """A run that has told that it waits for its event."""
    process = spawn("run", FILE, "--id", "one", *words, cwd=here)
    assert process.stderr is not None
    for line in process.stderr:
        if "waits for event" in line:
            return process
    raise AssertionError("it never waited")


def test_the_output_is_the_answer(here: Path) -> None:
    """Stdout has the output as JSON and nothing else."""
    given(here, ECHO)
    answer = perdure("run", FILE, "-i", "word=hello")
    assert (answer.code, answer.out) == (0, '"hello"\n')


def test_progress_without_a_terminal(here: Path, snapshot: SnapshotAssertion) -> None:
    """One stable line on stderr for each thing that happens; retries and failures with their reason."""
    retried = ECHO.replace("' }\n", "', retry: { attempts: 2, delay: 1ms } }\n", 1)
    given(here, retried)
    assert perdure("run", FILE, "-i", "word=twice", "--id", "one").stable() == snapshot
    assert perdure("run", FILE, "-i", "word=bad", "--id", "two").stable() == snapshot


CHUNKS = """\
do:
  - all:
      fan_out: [one, two, three]
      each: word
      chunk: 2
      do:
        - said: { call: Say, with: "${ word + input.more }" }
  - return: ${ all.results.map(each, each.size()) }
"""


def test_progress_of_chunks(here: Path) -> None:
    """Each tells which items it has done; values that are too large for a page are whole in --json."""
    given(here, HEADER + CHUNKS)
    more = "x" * 70_000
    (here / "more.json").write_text(f'{{"more": "{more}"}}')
    run = perdure("run", FILE, "--id", "one", "--input", "@more.json")
    assert "all [0 to 1] completed" in run.err
    assert "all [2 to 2] completed" in run.err
    history = perdure("--json", "history", "one")
    assert history.out.count(more) == 5
    assert "sha256" not in history.out.replace('"around": "sha256', "").replace('"items": "sha256', "")


def test_every_line_has_its_time(here: Path) -> None:
    """Lines of waits and of what was done before begin with the time as all others do."""
    given(here, WAITING.replace("do:\n", "do:\n  - said: { call: Say, with: hello }\n"))
    perdure("run", FILE, "--id", "one", "--timeout", "300ms")
    lines = perdure("run", FILE, "--id", "one", "--timeout", "300ms").err.splitlines()
    assert [line[9:].partition(" ")[0] for line in lines[:2]] == ["1", "gone"]
    assert all(re.match(r"\d\d:\d\d:\d\d \w", line) for line in lines[:2])


def test_quiet_is_quiet(here: Path) -> None:
    """-q leaves only the output."""
    given(here, ECHO)
    answer = perdure("run", FILE, "-i", "word=hello", "-q")
    assert (answer.out, answer.err) == ('"hello"\n', "")


def test_a_new_id_is_told(here: Path) -> None:
    """Without --id a readable one is made and printed first."""
    given(here, ECHO)
    first = perdure("run", FILE, "-i", "word=hello").err.splitlines()[0]
    assert first.startswith("instance case-")
    assert perdure("show", first.removeprefix("instance ")).code == 0


def test_an_ended_instance_is_not_run_again(here: Path) -> None:
    """The same id prints the stored output, whatever the activities would say now."""
    given(here, ECHO)
    perdure("run", FILE, "-i", "word=hello", "--id", "one")
    (here / "activities.py").write_text(ACTIVITIES.replace("return word", "return 'other'"))
    answer = perdure("run", FILE, "-i", "word=hello", "--id", "one", "--json")
    assert (answer.code, answer.data["output"]) == (0, "hello")


def test_a_failure_is_the_exit_code(here: Path) -> None:
    """A failed workflow exits with 1; its document has the type, the step and the attempt."""
    given(here, ECHO)
    error = perdure("run", FILE, "-i", "word=bad", "--json")
    assert error.code == 1
    found = error.document["error"]
    assert found["code"] == "workflow_failed"
    assert found["details"]["error"]["type"] == "BadWord"
    assert f"step 'said' ({FILE}:5:5), activity Say, attempt 1" in found["message"]


@pytest.mark.parametrize(
    ("header", "words", "part"),
    [
        ("", ["-i", "word=NaN"], "NaN"),
        ("", ["--input", "{"], "--input is not JSON"),
        ("input: { schema: { type: object, required: [word] } }\n", [], "-i KEY=VALUE"),
        (WANTING, [], "no input was given; it needs word, times\n"),
        (WANTING, ["-i", "word=a"], "'times' is a required property"),
        ("", ["--id", "a/b"], "a/b"),
        ("", ["--timeout", "soon"], "not a duration"),
    ],
)
def test_bad_input_is_a_usage_error(header: str, words: list[str], part: str, here: Path) -> None:
    """What the workflow cannot be started with is told in a sentence, exit code 2."""
    given(here, ECHO.replace("do:\n", f"{header}do:\n"))
    answer = perdure("run", FILE, *words)
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err
    assert "instance case-" not in answer.err


def test_unknown_activities_are_refused_before_anything_runs(here: Path) -> None:
    """A call of an activity that nobody has is a diagnostic, and no instance is made."""
    given(here, ECHO.replace("call: Say", "call: Sya"))
    answer = perdure("run", FILE, "-i", "word=hello")
    assert answer.code == 1
    assert "error[PD701] no activity is registered as 'Sya'" in answer.err
    assert not (here / ".perdure").exists()


def test_a_workflow_without_calls_needs_no_activities(here: Path) -> None:
    """activities.py may be absent."""
    (here / "activities.py").unlink()
    given(here, HEADER + "do:\n  - return: { sum: '${ input.a + 1 }' }\n")
    assert perdure("run", FILE, "-i", "a=1", "--json").data["output"] == {"sum": 2}


def test_one_workflow_a_file(here: Path) -> None:
    """A file with two workflows does not say which to run."""
    one = HEADER + "do:\n  - return: 1\n"
    given(here, f"{one}---\n{one.replace('case', 'other')}")
    answer = perdure("run", FILE)
    assert answer.code == 2
    assert "case, other" in answer.err


def test_another_workflow_under_the_id_is_a_conflict(here: Path) -> None:
    """An id names one instance of one workflow."""
    given(here, ECHO)
    perdure("run", FILE, "-i", "word=hello", "--id", "one")
    given(here, ECHO.replace("name: case", "name: other"))
    assert perdure("run", FILE, "-i", "word=hello", "--id", "one").code == 4


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_goes_on(number: signal.Signals, code: int, here: Path) -> None:
    """Ctrl-C and SIGTERM stop cleanly and say how to go on; an event sent meanwhile is there afterwards."""
    given(here, WAITING)
    process = waiting(here)
    process.send_signal(number)
    stopped = finished(process)
    assert (stopped.code, stopped.out) == (code, "")
    assert f"perdure run {FILE} --id one" in stopped.err
    assert perdure("events", "send", "one", "Go", "--data", "7").code == 0
    assert perdure("run", FILE, "--id", "one").out == "7\n"


def test_a_run_may_be_bounded(here: Path) -> None:
    """--timeout ends the command with 124, and the instance stays."""
    given(here, WAITING)
    answer = perdure("run", FILE, "--id", "one", "--timeout", "200ms", "--json")
    assert answer.code == 124
    assert answer.document["error"]["hint"] == f"to go on: perdure run {FILE} --id one"
    assert answer.document["error"]["code"] == "timeout"
    assert perdure("show", "one", "--json").data["status"] == "Running"


def test_what_was_only_in_memory_is_said_to_be_gone(here: Path) -> None:
    """Nothing goes on with an instance of a store that has ended with the command."""
    given(here, WAITING)
    answer = perdure("run", FILE, "--db", "memory://", "--id", "one", "--timeout", "200ms", "--json")
    assert answer.code == 124
    assert "it is gone" in answer.document["error"]["message"]
    assert answer.document["error"]["hint"] == "to keep instances: --db sqlite:///FILE"


@pytest.mark.slow
def test_a_suspended_instance_says_how_to_go_on(here: Path) -> None:
    """Suspended from elsewhere, the run exits with 1 and the command that resumes it."""
    given(here, WAITING)
    process = waiting(here)
    assert perdure("suspend", "one", "--reason", "lunch").code == 0
    stopped = finished(process)
    assert stopped.code == 1
    assert "one is suspended: lunch" in stopped.err
    assert "perdure resume one" in stopped.err
    assert perdure("resume", "one").code == 0
    assert perdure("events", "send", "one", "Go", "--data", "7").code == 0
    assert perdure("run", FILE, "--id", "one").out == "7\n"


@pytest.mark.slow
def test_a_terminated_instance_is_told(here: Path) -> None:
    """Terminated from elsewhere, the run exits with 1 and the reason."""
    given(here, WAITING)
    process = waiting(here)
    assert perdure("terminate", "one", "--yes", "--reason", "enough").code == 0
    stopped = finished(process)
    assert stopped.code == 1
    assert "one is Terminated: enough" in stopped.err


@pytest.mark.slow
def test_a_canceled_instance_is_told(here: Path) -> None:
    """Canceled from elsewhere, the run exits with 1 and what it ended of; so does whoever waits for it."""
    given(here, WAITING)
    process = waiting(here)
    assert perdure("cancel", "one", "--reason", "enough").err == "canceling one\n"
    stopped = finished(process)
    assert stopped.code == 1
    assert "one is Canceled: enough" in stopped.err
    assert perdure("wait", "one", "--json").data[0]["status"] == "Canceled"


def test_an_edited_file_does_not_change_what_runs(here: Path) -> None:
    """An instance goes on with the workflow it was started with, and the command says so."""
    given(here, WAITING)
    perdure("run", FILE, "--id", "one", "--timeout", "200ms")
    given(here, WAITING.replace("return: ${ gone }", "return: other"))
    assert perdure("events", "send", "one", "Go", "--data", "7").code == 0
    answer = perdure("run", FILE, "--id", "one")
    assert answer.out == "7\n"
    assert "the file has changed" in answer.err


def test_what_a_workflow_logs_is_shown(here: Path) -> None:
    """``log`` steps are lines on stderr."""
    given(here, HEADER + "do:\n  - log: { level: info, message: hello there }\n  - return: 1\n")
    assert "info: hello there" in perdure("run", FILE).err


def test_what_activities_print_is_not_the_answer(here: Path) -> None:
    """Stdout stays one document, whatever the module and its functions print."""
    noisy = ACTIVITIES.replace("import perdure", "import perdure\nprint('loaded')", 1)
    (here / "activities.py").write_text(
        noisy.replace('    if word == "bad"', '    print("called")\n    if word == "bad"')
    )
    given(here, ECHO)
    answer = perdure("run", FILE, "-i", "word=hello", "--json")
    assert answer.data["output"] == "hello"
    assert "loaded" in answer.err
    assert "called" in answer.err


def test_history_is_printed(here: Path, snapshot: SnapshotAssertion) -> None:
    """One row an event; values are short, and whole under --json."""
    given(here, ECHO)
    perdure("run", FILE, "-i", "word=hello", "--id", "one")
    assert perdure("history", "one").stable() == snapshot
    kinds = [each["type"] for each in perdure("history", "one", "--json").data]
    assert kinds == ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]


@pytest.mark.parametrize("word", ["0", "false", '""', "[]", "{}"])
def test_history_has_values_that_are_false(word: str, here: Path) -> None:
    """Zero, false and what is empty are values: input, result and output show them."""
    loose = ACTIVITIES.replace("word: str", "word: object").replace("-> str", "-> object")
    (here / "activities.py").write_text(loose)
    given(here, ECHO)
    assert perdure("run", FILE, "-i", f"word={word}", "--id", "one").code == 0
    events = perdure("history", "one").out.splitlines()[2:]
    assert [line.endswith(f"={word}") for line in events] == [True, True, True]


@pytest.mark.parametrize(
    ("generation", "told"),
    [("1", "generation 1 of one is not kept any more"), ("9", "one has no generation 9")],
)
def test_a_generation_that_is_not_there_is_told(generation: str, told: str, here: Path) -> None:
    """An empty history is never the answer to the question for another generation."""
    given(here, HEADER + ROUNDS)
    assert perdure("run", FILE, "-i", "n=3", "--id", "one").out == "0\n"
    answer = perdure("history", "one", "--generation", generation)
    assert (answer.code, answer.out) == (4, "")
    assert told in answer.err
    assert perdure("history", "one", "--generation", "3").code == 0


def test_a_run_of_its_own_process(here: Path) -> None:
    """The installed program does the same, and leaves the database in .perdure/."""
    given(here, ECHO)
    answer = call("run", FILE, "-i", "word=hello", "--json", cwd=here)
    assert answer.data["output"] == "hello"
    assert (here / ".perdure" / "perdure.db").exists()
