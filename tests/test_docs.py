"""Every fenced block of README.md and docs/ is true: it runs, validates or parses.

Blocks of a page are run in order in one copy of the checkout, and a ``cd`` holds for the blocks after it,
as it does for a reader. A ``console`` block also shows output, which must be what is printed; ``...`` stands
for any text. ``<!-- test: skip REASON -->`` above a block excuses it; ``<!-- ci: NAME -->`` leaves it to
``.ci/run``, which runs it in a fresh clone.
"""

from __future__ import annotations

import ast
import doctest
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.blocks import Block, blocks
from tests.checkout import ROOT, copy_to
from tests.sdk.cli.program import perdure

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks(page)]
BY_CI = {"ci: install-and-run", "ci: install-and-test"}
SECONDS = 180


class Shell:
    """Runs pieces of shell one after the other, each in the directory where the last one ended."""

    def __init__(self, home: Path, start: Path) -> None:
        self._home = home
        self._directory = start
        tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        self._environment = {
            **os.environ,
            "HOME": str(home),
            "PATH": tools,
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }

    def run(self, script: str) -> tuple[int, str]:
        """Exit code and printed text. What the script leaves in the background is ended with it."""
        where, printed = self._home / "where", self._home / "printed"
        with printed.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"trap 'pwd >\"{where}\"' EXIT\n{script}"],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(timeout=SECONDS)
            finally:
                _end_group(process)
        self._directory = Path(where.read_text(encoding="utf-8").rstrip("\n"))
        return code, printed.read_text(encoding="utf-8")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _is_excused(block: Block) -> bool:
    return block.remark in BY_CI or block.remark.startswith("test: skip ")


def _select(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def _pages(*languages: str) -> list[Path]:
    return sorted({block.page for block in _select(*languages) if not _is_excused(block)})


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _exchanges(block: Block) -> list[tuple[str, str]]:
    """The commands of a console block (``$ ...``, a backslash continues) with the output shown."""
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and found[-1][0].endswith("\\") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line}", "")
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        else:
            pytest.fail(f"{block.place}: a console block begins with a `$ command`")
    return found


def _run_bash(shell: Shell, block: Block) -> None:
    code, printed = shell.run(block.text)
    assert code == 0, f"{block.place}: exit code {code}\n{printed}"


def _run_console(shell: Shell, block: Block) -> None:
    same = doctest.OutputChecker().check_output
    for command, shown in _exchanges(block):
        code, printed = shell.run(command)
        matches = same(shown.rstrip() + "\n", printed.rstrip() + "\n", doctest.ELLIPSIS)
        assert matches, f"{block.place}: $ {command} (exit code {code}) printed\n{printed}\nnot\n{shown}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", _pages("bash", "console"), ids=_name)
def test_commands_do_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """The commands of a page succeed in a copy of the checkout, and print what a console block shows."""
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    home.mkdir()
    copy_to(checkout)
    shell = Shell(home, checkout)
    for block in _select("bash", "console"):
        if block.page == page and not _is_excused(block):
            run = _run_bash if block.language == "bash" else _run_console
            run(shell, block)


@pytest.mark.parametrize("page", _pages("yaml"), ids=_name)
def test_workflows_are_valid(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML of a page parses, and what begins with ``dsl: perdure/1`` passes ``perdure validate``."""
    files = []
    for block in _select("yaml"):
        if block.page != page or _is_excused(block):
            continue
        list(YAML(typ="safe", pure=True).load_all(block.text))
        if block.text.startswith("dsl: perdure/1"):
            files.append(tmp_path / f"line-{block.line}.perdure.yaml")
            files[-1].write_text(block.text, encoding="utf-8")
    if files:
        monkeypatch.chdir(tmp_path)
        answer = perdure("validate", *map(str, files))
        assert answer.code == 0, f"{page}\n{answer.out}{answer.err}"


@pytest.mark.parametrize("block", _select("python"), ids=lambda block: f"{_name(block.page)}:{block.line}")
def test_python_runs(block: Block, tmp_path: Path) -> None:
    """A Python block is a whole program: it runs to its end; one that is excused still compiles."""
    ast.parse(block.text, filename=block.place)
    if not _is_excused(block):
        program = [sys.executable, "-W", "error", "-c", block.text]
        answer = subprocess.run(
            program, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS
        )
        assert answer.returncode == 0, f"{block.place}\n{answer.stdout}{answer.stderr}"


def test_data_parses() -> None:
    """JSON and TOML blocks are JSON and TOML."""
    blocks = _select("json", "toml")
    assert blocks
    for block in blocks:
        if not _is_excused(block):
            parse = json.loads if block.language == "json" else tomllib.loads
            parse(block.text)


def test_every_block_says_what_it_is() -> None:
    """Each fence names its language (``text`` when nothing can check it)."""
    assert [block.place for block in BLOCKS if not block.language] == []


def test_every_excuse_has_a_reason() -> None:
    """A remark above a block is one of the two that the tests know, with a reason of at least two words."""
    remarks = [block for block in BLOCKS if block.remark and block.remark not in BY_CI]
    unknown = [
        block.place for block in remarks if len(block.remark.split()) < len(("test:", "skip", "two", "words"))
    ]
    assert [block.place for block in remarks if not block.remark.startswith("test: skip ")] + unknown == []


def test_the_readme_has_the_commands_that_ci_runs() -> None:
    """README.md marks one bash block to install and run, and one to install and test."""
    readme = [block for block in BLOCKS if block.page == ROOT / "README.md" and block.language == "bash"]
    assert sorted(block.remark for block in readme if block.remark in BY_CI) == sorted(BY_CI)
