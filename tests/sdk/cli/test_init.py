from __future__ import annotations

from pathlib import Path

import pytest

from perdure.cli.init import TEMPLATES
from tests.sdk.cli.program import call, perdure


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_valid_where_it_lands(template: str, here: Path) -> None:
    """Each template makes a directory whose workflow validates with the activities beside it."""
    made = perdure("init", "new", "--template", template)
    assert made.code == 0
    assert made.out.splitlines()[0] == f"new/{template}.perdure.yaml"
    assert perdure("validate", "new").code == 0


def test_the_schema_comes_along(here: Path) -> None:
    """The modeline of the copy names the schema that lies beside it."""
    perdure("init", "new")
    first = (here / "new" / "inventory.perdure.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./perdure.schema.json"
    assert (here / "new" / "perdure.schema.json").is_file()


def test_databases_are_kept_out_of_version_control(here: Path) -> None:
    """.perdure/ is added to .gitignore once, and what stands there stays."""
    (here / ".gitignore").write_text("mine\n")
    perdure("init")
    perdure("init", "--force")
    assert (here / ".gitignore").read_text() == "mine\n.perdure/\n"


def test_files_that_are_there_are_kept(here: Path) -> None:
    """Without --force nothing is written when a file is in the way."""
    (here / "activities.py").write_text("mine = 1\n")
    answer = perdure("init", "--json")
    assert answer.code == 4
    assert answer.document["error"]["code"] == "exists"
    assert [each.name for each in here.iterdir()] == ["activities.py"]
    assert perdure("init", "--force").code == 0


def test_a_directory_that_cannot_be_made(here: Path) -> None:
    """A path below a file is told in a sentence."""
    (here / "file").write_text("")
    answer = perdure("init", "file/below")
    assert answer.code == 2
    assert "cannot write" in answer.err


def test_a_copy_runs(here: Path) -> None:
    """What init writes runs by itself, as a process in another directory."""
    (here / "files").mkdir()
    (here / "files" / "a.txt").write_text("one")
    assert call("init", "inv", "--template", "inventory", cwd=here).code == 0
    ran = call("run", "inv/inventory.perdure.yaml", "-i", "root=files", "-i", "manifest=out", cwd=here)
    assert ran.code == 0, ran.err
    assert (here / "out").read_text().endswith("  a.txt\n")
