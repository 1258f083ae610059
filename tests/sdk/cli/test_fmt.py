"""``perdure fmt``: which files it changes, how, and what it says."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.sdk.cli.program import perdure

GOOD = "dsl: perdure/1\nname: good\nversion: 1.0.0\ndo:\n  - return: 1\n"
LOOSE = "name: good   # here\ndsl: perdure/1\nversion: 1.0.0\ndo:\n- return: 1"
TIGHT = "dsl: perdure/1\nname: good   # here\nversion: 1.0.0\ndo:\n  - return: 1\n"
BROKEN = "dsl: perdure/1\nname: [\n"


def given(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def test_files_are_rewritten(here: Path) -> None:
    """Files in another layout are replaced, others are not touched; the count goes to stderr."""
    loose, good = given(here / "a.perdure.yaml", LOOSE), given(here / "b.perdure.yaml", GOOD)
    before = good.stat().st_ino
    answer = perdure("fmt")
    assert (answer.code, answer.out, answer.err) == (0, "", "1 of 2 files formatted\n")
    assert loose.read_text("utf-8") == TIGHT
    assert good.stat().st_ino == before
    assert perdure("fmt").err == "2 files in order\n"


def test_check_changes_nothing_and_names_files(here: Path) -> None:
    """``--check`` is for CI: exit code 1 and the names, on stdout."""
    loose = given(here / "a.perdure.yaml", LOOSE)
    given(here / "b.perdure.yaml", GOOD)
    answer = perdure("fmt", "--check")
    assert (answer.code, answer.out, answer.err) == (
        1,
        "a.perdure.yaml\n",
        "1 of 2 files would be formatted\n",
    )
    assert loose.read_text("utf-8") == LOOSE
    assert perdure("fmt", "--check", "b.perdure.yaml").code == 0


def test_diff_shows_what_would_change(here: Path) -> None:
    """``--diff`` prints a unified difference and changes nothing; colours are for terminals."""
    loose = given(here / "a.perdure.yaml", LOOSE)
    answer = perdure("fmt", "--diff")
    assert answer.code == 1
    assert answer.out.startswith("--- a.perdure.yaml\n+++ a.perdure.yaml\n@@ ")
    assert "\n-- return: 1\n\\ No newline at end of file\n+  - return: 1\n" in answer.out
    assert "\x1b[32m+  - return: 1\n" in perdure("fmt", "--diff", "--color", "always", NO_COLOR="").out
    assert loose.read_text("utf-8") == LOOSE


def test_standard_input_goes_to_standard_output(here: Path) -> None:
    """``-`` is a filter, also for a text that is in order already."""
    assert perdure("fmt", "-", input=LOOSE).out == TIGHT
    assert perdure("fmt", "-", input=GOOD).out == GOOD


def test_a_file_that_cannot_be_read_is_left_alone(here: Path) -> None:
    """Diagnostics go to stderr, the exit code is 1, the other files are formatted."""
    broken, loose = given(here / "a.perdure.yaml", BROKEN), given(here / "b.perdure.yaml", LOOSE)
    (here / "c.perdure.yaml").write_bytes(b"name: caf\xe9\n")
    answer = perdure("fmt")
    assert (answer.code, answer.out) == (1, "")
    assert "a.perdure.yaml:3:1: error[PD101]" in answer.err
    assert "c.perdure.yaml:1:10: error[PD100]" in answer.err
    assert broken.read_text("utf-8") == BROKEN
    assert answer.err.endswith("1 of 3 files formatted, 2 left alone\n")
    assert loose.read_text("utf-8") == TIGHT


def test_files_are_counted_one_by_one(here: Path) -> None:
    """None and several are files, one is a file, also when others are left alone."""
    given(here / "a.perdure.yaml", BROKEN)
    assert perdure("fmt", "a.perdure.yaml").err.endswith("\n0 files in order, 1 left alone\n")
    given(here / "b.perdure.yaml", GOOD)
    assert perdure("fmt").err.endswith("\n1 file in order, 1 left alone\n")
    given(here / "a.perdure.yaml", LOOSE)
    assert perdure("fmt", "a.perdure.yaml").err == "1 of 1 file formatted\n"


def test_modes_and_links_stay(here: Path) -> None:
    """The file behind a link is replaced, with its mode; nothing else is left in the directory."""
    (here / "shared").mkdir()
    real = given(here / "shared" / "real.yaml", LOOSE)
    real.chmod(0o640)
    link = here / "link.perdure.yaml"
    link.symlink_to(Path("shared") / "real.yaml")
    assert perdure("fmt", "link.perdure.yaml").code == 0
    assert link.is_symlink()
    assert real.read_text("utf-8") == TIGHT
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert list(real.parent.iterdir()) == [real]


def test_a_text_that_would_change_is_left_alone(here: Path) -> None:
    """A key that only ``?`` can introduce has no place in the layout: the file stays as it is."""
    text = GOOD.replace("return: 1", f"return:\n      ? {'k' * 1100}\n      : 1")
    long = given(here / "a.perdure.yaml", text)
    answer = perdure("fmt")
    assert answer.code == 5
    assert "a.perdure.yaml" in answer.err
    assert long.read_text("utf-8") == text


def test_the_answer_as_json(here: Path) -> None:
    """One document with the files, those that changed and what is wrong."""
    given(here / "a.perdure.yaml", BROKEN)
    given(here / "b.perdure.yaml", LOOSE)
    answer = perdure("fmt", "--check", "--json")
    assert answer.code == 1
    assert answer.data["files"] == ["a.perdure.yaml", "b.perdure.yaml"]
    assert answer.data["changed"] == ["b.perdure.yaml"]
    assert [each["file"] for each in answer.data["diagnostics"]] == ["a.perdure.yaml"]
