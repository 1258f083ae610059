from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree as ET

import pytest

from perdure.cli.validate import FORMATS
from perdure.dsl.report import Format
from tests.sdk.cli.program import perdure

HEADER = "dsl: perdure/1\nname: case\nversion: 1.0.0\n"
GOOD = HEADER + "do:\n  - return: ${ input }\n"
CALLS = HEADER + "do:\n  - greeting:\n      call: Greet\n  - return: ${ greeting }\n"
ACTIVITIES = 'import perdure\n\n@perdure.activity("Greet")\ndef greet():\n    return "hello"\n'

BAD = {
    "unknown key": HEADER + "do:\n  - a:\n      call: A\n      retires: 3\n",
    "unknown name": HEADER + "do:\n  - order: { value: 1 }\n  - return: ${ odrer }\n",
    "wrong type": HEADER + "do:\n  - a:\n      call: [A]\n",
    "missing timeout": HEADER + "events:\n  Go: {}\ndo:\n  - a:\n      wait_for_event: Go\n",
    "bad duration": HEADER + "do:\n  - a:\n      wait: 5 minutes\n",
    "yaml bomb": HEADER
    + "tags:\n"
    + "  a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"  {name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdef", "bcdefg", strict=True)
    )
    + "do:\n  - return: 1\n",
    "oversize file": HEADER + "do:\n  - return: 1\n" + "# padding\n" * 30_000,
    "tab indentation": HEADER + "do:\n\t- return: 1\n",
    "duplicate key": HEADER + "name: again\ndo:\n  - return: 1\n",
    "unquoted conditional": HEADER + "do:\n  - return: ${ a ? b : c }\n",
}


CODES = {
    "unknown key": "PD201",
    "unknown name": "PD301",
    "wrong type": "PD203",
    "missing timeout": "PD401",
    "bad duration": "PD402",
    "yaml bomb": "PD113",
    "oversize file": "PD109",
    "tab indentation": "PD105",
    "duplicate key": "PD106",
    "unquoted conditional": "PD102",
}


def given(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_pointed_at(case: str, here: Path) -> None:
    """Each kind of bad file gives its diagnostic with the place and a caret below it, and exit code 1."""
    given(here / "bad.perdure.yaml", BAD[case])
    answer = perdure("validate", "bad.perdure.yaml")
    assert (answer.code, answer.err) == (1, "")
    first, *rest = answer.out.splitlines()
    assert re.match(rf"bad\.perdure\.yaml:\d+:\d+: error\[{CODES[case]}\] ", first), first
    assert any(re.fullmatch(r" *\| *\^+", line) for line in rest), answer.out


@pytest.mark.parametrize("case", BAD)
def test_run_points_at_it_too(case: str, here: Path) -> None:
    """``run`` refuses a bad file with the same diagnostics, on stderr, and touches no database."""
    given(here / "bad.perdure.yaml", BAD[case])
    found, refused = perdure("validate", "bad.perdure.yaml"), perdure("run", "bad.perdure.yaml")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(found.out)
    assert "Traceback" not in refused.err
    assert not (here / ".perdure").exists()


def test_a_good_file_is_praised_on_stderr(here: Path) -> None:
    """Nothing wrong: exit code 0, nothing on stdout, the count on stderr; -q leaves it out."""
    given(here / "good.perdure.yaml", GOOD)
    answer = perdure("validate")
    assert (answer.code, answer.out, answer.err) == (0, "", "1 file, no problems\n")
    assert perdure("validate", "-q").err == ""


def test_files_are_found_by_their_name(here: Path) -> None:
    """Without PATH every *.perdure.yaml below the directory is checked, others only when named."""
    (here / "deep" / "er").mkdir(parents=True)
    given(here / "deep" / "er" / "a.perdure.yaml", GOOD)
    given(here / "b.perdure.yaml", GOOD)
    given(here / "other.yaml", "no workflow")
    assert perdure("validate", "--json").data["files"] == ["b.perdure.yaml", "deep/er/a.perdure.yaml"]
    assert perdure("validate", "other.yaml").code == 1


@pytest.mark.parametrize("words", [[], ["missing.perdure.yaml"], ["empty"]])
def test_no_file_is_a_usage_error(words: list[str], here: Path) -> None:
    """Checking nothing is not success."""
    (here / "empty").mkdir()
    for more in ([], ["--exit-zero"]):
        answer = perdure("validate", *words, *more)
        assert (answer.code, answer.out) == (2, "")


def test_activities_beside_a_file_are_known(here: Path) -> None:
    """With activities.py beside the file, a call of another activity is an error with a guess."""
    given(here / "activities.py", ACTIVITIES)
    given(here / "good.perdure.yaml", CALLS)
    given(here / "bad.perdure.yaml", CALLS.replace("Greet", "Great"))
    assert perdure("validate", "good.perdure.yaml").code == 0
    answer = perdure("validate", "bad.perdure.yaml", "--output-format", "concise")
    assert answer.code == 1
    assert answer.out == (
        "bad.perdure.yaml:6:13: error[PD701] no activity is registered as 'Great'; did you mean 'Greet'?\n"
    )


def test_activities_can_be_named(here: Path) -> None:
    """--activities takes a module or a file; one that cannot be imported is told without a traceback."""
    given(here / "shop_things.py", ACTIVITIES)
    given(here / "good.perdure.yaml", CALLS)
    assert perdure("validate", "--activities", "shop_things.py").code == 0
    given(here / "broken_things.py", "import no_such_module_anywhere\n")
    answer = perdure("validate", "--activities", "broken_things.py")
    assert answer.code == 2
    assert "No module named 'no_such_module_anywhere'" in answer.err
    assert "Traceback" not in answer.err


def test_without_activities_calls_are_not_checked(here: Path) -> None:
    """A file alone is checked alone."""
    given(here / "good.perdure.yaml", CALLS)
    assert perdure("validate").code == 0


def test_standard_input_has_a_name(here: Path) -> None:
    """``-`` reads standard input, which --stdin-filename names in what is found."""
    answer = perdure("validate", "-", "--stdin-filename", "mine.yaml", input=BAD["unknown key"])
    assert answer.code == 1
    assert answer.out.startswith("mine.yaml:7:7: error[PD201]")


def test_findings_as_json(here: Path) -> None:
    """--json wraps files and findings in the one document; --output-format json is the bare format."""
    given(here / "bad.perdure.yaml", BAD["unknown key"])
    wrapped = perdure("validate", "--json")
    bare = perdure("validate", "--output-format", "json")
    assert (wrapped.code, bare.code) == (1, 1)
    assert wrapped.data["diagnostics"] == bare.document["diagnostics"]
    assert wrapped.data["diagnostics"][0]["start"] == {"line": 7, "column": 7}


def test_bytes_that_are_no_text(here: Path) -> None:
    """A file that is not UTF-8 is a diagnostic at the byte."""
    (here / "bad.perdure.yaml").write_bytes(b"dsl: perdure/1\nname: caf\xe9\n")
    answer = perdure("validate")
    assert answer.code == 1
    assert "bad.perdure.yaml:2:10: error[PD100]" in answer.out


WARNED = HEADER + "do:\n  - return: ${ input.total / 2 }\n"


def test_every_format_can_be_asked_for() -> None:
    """The command offers the formats that there are."""
    assert get_args(Format) == FORMATS


@pytest.mark.parametrize("format", FORMATS)
def test_the_exit_code_does_not_depend_on_the_format(format: str, here: Path) -> None:
    """0 without errors, 1 with errors, and 0 whatever is found with --exit-zero."""
    options = ["--output-format", format]
    given(here / "a.perdure.yaml", GOOD)
    assert perdure("validate", *options).code == 0
    given(here / "a.perdure.yaml", WARNED)
    assert perdure("validate", *options).code == 0
    assert perdure("validate", "--strict", *options).code == 1
    given(here / "a.perdure.yaml", BAD["unknown key"])
    assert perdure("validate", *options).code == 1
    assert perdure("validate", "--strict", "--exit-zero", *options).code == 0


@pytest.mark.parametrize("text", [GOOD, BAD["unknown key"]])
def test_programs_get_their_documents(text: str, here: Path) -> None:
    """JSON formats can be read as JSON, JUnit as XML, also when nothing was found."""
    given(here / "a.perdure.yaml", text)
    for each in ("json", "gitlab", "sarif"):
        assert isinstance(json.loads(perdure("validate", "--output-format", each).out), dict | list)
    assert ET.fromstring(perdure("validate", "--output-format", "junit").out).tag == "testsuites"


def test_the_report_can_go_to_a_file(here: Path) -> None:
    """--output-file gets what stdout would have; --json still answers on stdout."""
    given(here / "a.perdure.yaml", BAD["unknown key"])
    printed = perdure("validate", "--output-format", "sarif")
    answer = perdure("validate", "--output-format", "sarif", "--output-file", "report.sarif")
    assert (answer.code, answer.out, answer.err) == (1, "", "1 error, written to report.sarif\n")
    assert (here / "report.sarif").read_text("utf-8") == printed.out
    assert perdure("validate", "--output-file", "x", "--json").data["diagnostics"][0]["code"] == "PD201"


def test_a_report_that_cannot_be_written_is_told(here: Path) -> None:
    """A directory that is not there is a usage error."""
    given(here / "a.perdure.yaml", GOOD)
    answer = perdure("validate", "--output-file", "nowhere/report")
    assert answer.code == 2
    assert "cannot write nowhere/report: No such file or directory" in answer.err


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ([], ["PD212", "PD402", "PD801"]),
        (["--select", "PD4"], ["PD402"]),
        (["--select", "pd4,PD212"], ["PD212", "PD402"]),
        (["--select", "PD4", "--select", "PD8"], ["PD402", "PD801"]),
        (["--ignore", "PD4"], ["PD212", "PD801"]),
        (["--select", "PD", "--ignore", "PD8,PD212"], ["PD402"]),
        (["--select", "PD3"], []),
    ],
)
def test_codes_can_be_chosen(options: list[str], codes: list[str], here: Path) -> None:
    """--select and --ignore take codes and their beginnings; what is not shown does not count."""
    text = HEADER + "do:\n  - a: { call: A }\n  - a: { wait: 5 minutes }\n  - b: { value: 010 }\n"
    given(here / "a.perdure.yaml", text)
    answer = perdure("validate", *options, "--json")
    assert [each["code"] for each in answer.data["diagnostics"]] == codes
    assert answer.code == (1 if {"PD212", "PD402"} & {*codes} else 0)
    assert answer.err == ("" if codes else "1 file, no problems (3 not selected)\n")


def test_a_code_that_does_not_exist_is_a_usage_error(here: Path) -> None:
    """A misspelt code would select nothing, and look like success."""
    given(here / "a.perdure.yaml", GOOD)
    answer = perdure("validate", "--select", "PD4O1")
    assert answer.code == 2
    assert "there is no code 'PD4O1'; did you mean PD401?" in answer.err


def test_each_file_is_checked_once_in_the_order_given(here: Path) -> None:
    """The same file by another path is the same file; directories are in alphabetical order."""
    (here / "deep").mkdir()
    for name in ("b", "a"):
        given(here / "deep" / f"{name}.perdure.yaml", GOOD)
    given(here / "c.perdure.yaml", GOOD)
    words = (
        "c.perdure.yaml",
        "deep",
        "./c.perdure.yaml",
        str(here / "deep" / "a.perdure.yaml"),
        "deep/../deep",
    )
    assert perdure("validate", *words, "--json").data["files"] == [
        "c.perdure.yaml",
        "deep/a.perdure.yaml",
        "deep/b.perdure.yaml",
    ]


def test_other_peoples_files_are_left_alone(here: Path) -> None:
    """Hidden directories, virtual environments and vendored packages are not searched."""
    for folder in (".git", ".venv", "env/lib", "node_modules/x", "site-packages", "mine"):
        (here / folder).mkdir(parents=True)
        given(here / folder / "a.perdure.yaml", GOOD)
    given(here / "env" / "pyvenv.cfg", "")
    given(here / "b.perdure.yml", GOOD)
    assert perdure("validate", "--json").data["files"] == ["b.perdure.yml", "mine/a.perdure.yaml"]


def test_a_misspelt_file_gets_a_guess(here: Path) -> None:
    """The message names the file beside it that was probably meant."""
    (here / "flows").mkdir()
    given(here / "flows" / "order.perdure.yaml", GOOD)
    answer = perdure("validate", "flows/ordre.perdure.yaml")
    assert answer.code == 2
    assert "did you mean flows/order.perdure.yaml?" in answer.err


def test_files_know_of_each_other(here: Path) -> None:
    """One name and version with two contents is told with the other place; equal content is no matter."""
    given(here / "a.perdure.yaml", GOOD)
    given(here / "b.perdure.yaml", "# a copy\n" + GOOD)
    assert perdure("validate").err == "2 files, no problems\n"
    given(here / "b.perdure.yaml", GOOD.replace("input", "1"))
    answer = perdure("validate")
    assert answer.code == 0
    assert answer.out.startswith(
        "b.perdure.yaml:2:7: warning[PD814] case 1.0.0 has other content than in a.perdure.yaml"
    )
    assert "  = note: a.perdure.yaml:2:7: first here\n" in answer.out
    given(
        here / "b.perdure.yaml", GOOD.replace("input", "1").replace("name", "# perdure: ignore[PD814]\nname")
    )
    assert perdure("validate").err == "2 files, no problems\n"


ENTITY = """\
dsl: perdure/1
kind: entity
name: Counter
version: 1.0.0
state: { initial: 0 }
operations:
  add: { input: { type: integer }, set: "${ state + input }" }
"""
ADDS = HEADER + "do:\n  - added: { call_entity: Counter@all, op: add, with: 1 }\n"


def test_an_entity_in_another_file_is_known(here: Path) -> None:
    """A workflow alone is checked alone; beside the entity's file its calls are checked too."""
    given(here / "counter.perdure.yaml", ENTITY)
    given(here / "adds.perdure.yaml", ADDS.replace("op: add", "op: ad"))
    assert perdure("validate", "adds.perdure.yaml").code == 0
    answer = perdure("validate")
    assert answer.code == 1
    assert "adds.perdure.yaml:5:" in answer.out
    assert "PD501" in answer.out
    given(here / "adds.perdure.yaml", ADDS)
    assert perdure("validate").err == "2 files, no problems\n"


def test_an_accepted_error_is_accepted_everywhere(here: Path) -> None:
    """A deployment reads a file as ``validate`` does."""
    text = BAD["missing timeout"].replace("Go\n", "Go  # perdure: ignore[PD401]\n")
    given(here / "a.perdure.yaml", text)
    assert (
        perdure("validate", "--strict", "--ignore", "PD813").err == "1 file, no problems (1 not selected)\n"
    )
    assert perdure("deploy", "a.perdure.yaml").out == "case@1.0.0 created\n"


def test_names_of_files_cannot_reach_the_terminal(here: Path) -> None:
    """Control characters and bytes that are no text are replaced wherever a file is named."""
    name = os.fsdecode(b"a\x1b[31m\xff.perdure.yaml")
    given(here / name, BAD["unknown key"])
    for each in FORMATS:
        answer = perdure("validate", "--output-format", each)
        assert answer.code == 1
        assert "\x1b" not in answer.out
    assert perdure("validate").out.startswith("a\ufffd[31m\ufffd.perdure.yaml:7:7: ")


def test_colours_are_for_those_who_ask(here: Path) -> None:
    """A pipe gets none unless it is told otherwise; files never do."""
    given(here / "a.perdure.yaml", BAD["unknown key"])
    assert "\x1b" not in perdure("validate").out
    assert "\x1b[1;31m" in perdure("validate", "--color", "always").out
    perdure("validate", "--color", "always", "--output-file", "report")
    assert "\x1b" not in (here / "report").read_text("utf-8")


def test_lint_is_validate(here: Path) -> None:
    """The alias is the same command."""
    given(here / "a.perdure.yaml", GOOD)
    assert perdure("lint").err == "1 file, no problems\n"
