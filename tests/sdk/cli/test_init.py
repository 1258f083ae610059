from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from perdure.cli.init import TEMPLATES
from tests.sdk.cli.program import ENVIRONMENT, PERDURE, call, finished, perdure


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


def printed(template: str) -> list[str]:
    """The commands that init prints for a template in a directory with a space in its name."""
    made = perdure("init", "my shop", "--template", template)
    return [line for line in made.err.splitlines() if line.startswith("  ")]


def pasted(command: str) -> subprocess.Popen[str]:
    """A command as a shell runs it that has perdure on its path."""
    path = f"{Path(PERDURE).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["sh", "-c", command],
        env={**os.environ, **ENVIRONMENT, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("template", ["inventory", "order"])
def test_the_printed_command_works(template: str, here: Path) -> None:
    """The next command that init prints runs to its end when it is pasted."""
    (command,) = printed(template)
    ran = finished(pasted(command))
    assert ran.code == 0, ran.err


def waiting(command: str) -> subprocess.Popen[str]:
    """A pasted command that has told that it waits for an event."""
    running = pasted(command)
    assert running.stderr is not None
    assert any("waits for event" in line for line in running.stderr)
    return running


@pytest.mark.slow
def test_the_printed_answer_reaches_the_approval(here: Path) -> None:
    """What init prints for another terminal ends the run of the first one."""
    first, second = printed("approval")
    running = waiting(first)
    assert finished(pasted(second)).code == 0
    assert finished(running).out == '"Approved"\n'


@pytest.mark.slow
def test_the_printed_reading_reaches_the_monitor(here: Path) -> None:
    """The monitor takes what is sent from another terminal while it waits for a round to be over."""
    first, second = printed("monitor")
    running = waiting(first.replace("interval=5s", "interval=1h"))
    assert finished(pasted(second)).code == 0
    end = second.replace("events send watch Reading --data 21.5", "terminate watch --yes")
    assert finished(pasted(end)).code == 0
    assert finished(running).code == 1


@pytest.mark.slow
def test_the_printed_monitor_ends(here: Path) -> None:
    """All rounds of the printed command are run, here in less time."""
    first, _ = printed("monitor")
    ran = finished(pasted(first.replace("interval=5s", "interval=5ms")))
    assert ran.code == 0, ran.err
    assert '"iterations": 6' in ran.out


def test_no_directory_is_changed_to_where_init_stays(here: Path) -> None:
    """Without DIR the printed command runs in the working directory."""
    assert "\n  perdure run inventory.perdure.yaml" in perdure("init").err


@pytest.mark.slow
def test_a_copy_runs(here: Path) -> None:
    """What init writes runs by itself, as a process in another directory."""
    (here / "files").mkdir()
    (here / "files" / "a.txt").write_text("one")
    assert call("init", "inv", "--template", "inventory", cwd=here).code == 0
    ran = call("run", "inv/inventory.perdure.yaml", "-i", "root=files", "-i", "manifest=out", cwd=here)
    assert ran.code == 0, ran.err
    assert (here / "out").read_text().endswith("  a.txt\n")
