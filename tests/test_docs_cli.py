"""``docs/cli.md`` has every command and option, and no other; its exit codes are those that come out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from perdure.cli import failures
from perdure.cli.app import ALIASES, cli
from perdure.cli.settings import GLOBAL_OPTIONS
from tests.checkout import ROOT
from tests.tables import every

PAGE = ROOT / "docs" / "cli.md"
SHARED = "What all commands share"
BROKEN = "dsl: perdure/1\nname: broken\nversion: 1.0.0\ndo:\n  - return: ${ nothing }\n"


def leaves(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, by their full names."""
    with click.Context(group) as ctx:
        for each in group.list_commands(ctx):
            command = group.get_command(ctx, each)
            assert command is not None
            if isinstance(command, click.Group):
                yield from leaves(command, f"{name} {each}")
            else:
                yield f"{name} {each}", command


COMMANDS = dict(leaves(cli, "perdure"))


def sections() -> dict[str, str]:
    """The text below each heading."""
    parts = re.split(r"^## (.+)\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def options(command: click.Command) -> set[str]:
    """What a command itself takes, without the options that all share."""
    own = [each for each in command.params if isinstance(each, click.Option) and each not in GLOBAL_OPTIONS]
    return {name for option in own for name in option.opts}


def rows(text: str) -> set[str]:
    """The options in the first cells of the tables."""
    cells = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `-")]
    return {name for cell in cells for name in re.findall(r"(?<=`)--?[A-Za-z-]+", cell)}


def test_every_command_has_a_section() -> None:
    """There is one heading a command, in the order of ``--help``, after what they share."""
    assert list(sections()) == [SHARED, *COMMANDS]


@every(COMMANDS)
def test_every_option_is_in_the_table_of_its_command(name: str) -> None:
    """The tables of a section have the options of the command and no other."""
    assert rows(sections()[name]) == options(COMMANDS[name])


@every(COMMANDS)
def test_usage_shows_the_arguments(name: str) -> None:
    """The usage line of a section begins with the command and its arguments."""
    arguments = [each for each in COMMANDS[name].params if isinstance(each, click.Argument)]
    with click.Context(COMMANDS[name]) as ctx:
        usage = " ".join([name, *(each.make_metavar(ctx) for each in arguments)])
    assert re.search(rf"^`{re.escape(usage)}[` ]", sections()[name], re.MULTILINE)


def test_shared_options_are_in_their_table() -> None:
    """The table of what all commands share has the global options, help and version."""
    shared = {name for option in GLOBAL_OPTIONS for name in option.opts}
    assert rows(sections()[SHARED]) == shared | {"-h", "--help", "--version"}


def test_aliases_are_named() -> None:
    """The page says which other names commands have."""
    text = PAGE.read_text("utf-8")
    assert [
        alias for alias in ALIASES if f"`perdure {alias}` is `perdure {ALIASES[alias]}`" not in text
    ] == []


def test_exit_codes_are_in_their_table() -> None:
    """Each exit code of the program has its place in the table, in order."""
    cells = re.findall(r"^\| ([0-9, ]+) \|", sections()[SHARED], re.MULTILINE)
    shown = [int(code) for cell in cells for code in cell.split(", ")]
    codes = [
        0,
        failures.NO,
        failures.USAGE,
        failures.UNREACHABLE,
        failures.CONFLICT,
        failures.BUG,
        failures.TIMEOUT,
        failures.INTERRUPTED,
        failures.TERMINATED,
    ]
    assert shown == codes


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["validate", "broken.perdure.yaml"], failures.NO),
        (["validate", "missing.perdure.yaml"], failures.USAGE),
        ([], failures.USAGE),
        (["list", "--server", "http://127.0.0.1:1"], failures.UNREACHABLE),
        (["show", "nobody", "--db", "memory://"], failures.CONFLICT),
        (["explain"], 0),
    ],
)
def test_the_shell_gets_the_exit_code(words: list[str], code: int, tmp_path: Path) -> None:
    """The program ends with the exit code that the page promises."""
    (tmp_path / "broken.perdure.yaml").write_text(BROKEN, encoding="utf-8")
    program = [sys.executable, "-c", "from perdure.cli import main; main()", *words]
    answer = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == code, answer.stderr
