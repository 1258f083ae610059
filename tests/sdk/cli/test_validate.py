from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    answer = perdure("validate", *words)
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
