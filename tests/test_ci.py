"""What the run of everything does with what it starts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engine.facts import eventually

BACKGROUND = Path(__file__).parents[1] / ".ci" / "background.sh"
SCRIPT = """\
set -euo pipefail
source "$1"
trap 'end_background' EXIT
"""
LONG = """\
long() { bash -c 'echo $$ >child.new; mv child.new child; sleep 600; true'; }
in_background log long
until [ -e child ]; do sleep 0.01; done
"""


def run(folder: Path, more: str) -> int:
    """What a script ends with; it has said nothing."""
    ended = subprocess.run(
        ["bash", "-c", SCRIPT + more, "bash", str(BACKGROUND)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("", "")
    return ended.returncode


@pytest.mark.parametrize(("more", "code"), [("exit 3\n", 3), ("false\n", 1), ("", 0), ("kill $$\n", -15)])
def test_what_runs_beside_it_ends_with_it(tmp_path: Path, more: str, code: int) -> None:
    """A run that failed left the children of its check behind, which went on for minutes."""
    assert run(tmp_path, LONG + more) == code
    process = Path("/proc") / (tmp_path / "child").read_text().strip()
    eventually(lambda: not process.exists())


@pytest.mark.parametrize("code", [0, 4])
def test_what_came_of_it_is_told(tmp_path: Path, code: int) -> None:
    """To who waits for it, with what it has said; nothing is left to be ended then."""
    assert run(tmp_path, f"in_background log bash -c 'echo said; exit {code}'\nwait_for_background\n") == code
    assert (tmp_path / "log").read_text() == "said\n"
