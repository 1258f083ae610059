from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.cli.app import ALIASES, COMMANDS, MEANT, cli
from perdure.cli.failures import report
from perdure.cli.settings import version
from tests.engine.store.factory import new_database
from tests.sdk.cli.program import PERDURE, call, given_database, perdure

HEAVY = ("rich", "sqlalchemy", "alembic", "starlette", "uvicorn", "jsonschema", "ruamel", "lark", "msgspec")


@pytest.mark.parametrize("option", ["--help", "--version", "-h"])
def test_help_and_version_load_click_alone(option: str) -> None:
    """What a person asks first is answered without loading the engine or any large library."""
    program = (
        "import sys\nfrom perdure.cli import cli\n"
        f"try: cli.main([{option!r}])\nexcept SystemExit as ended: assert not ended.code\n"
        "print(*{name if name.startswith('perdure.') else name.partition('.')[0] for name in sys.modules})"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.startswith("perdure.")} == {
        "perdure.cli",
        "perdure.cli.app",
        "perdure.cli.settings",
    }


def test_version_is_the_installed_one() -> None:
    """``--version`` prints the name and the version."""
    assert perdure("--version").out == f"perdure {version()}\n"


def test_summaries_are_the_commands_own() -> None:
    """The sentence that ``--help`` lists is the first one of the command's own help."""
    context = cli.make_context("perdure", ["list"])
    found = {name: cli.get_command(context, name) for name in COMMANDS}
    first = {name: (command.help or "").partition("\n")[0] for name, command in found.items() if command}
    assert first == COMMANDS


@pytest.mark.parametrize("name", [*COMMANDS, *ALIASES])
def test_every_command_explains_itself(name: str) -> None:
    """``--help`` of every command and alias succeeds and names the global options."""
    answer = perdure(name, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "--json" in answer.out


def test_without_a_command_the_help_is_shown() -> None:
    """``perdure`` alone is a usage error that shows the commands."""
    answer = perdure()
    assert (answer.code, answer.out) == (2, "")
    assert "Commands:" in answer.err


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["lst"], "Did you mean 'list'?"),
        (["validat"], "Did you mean 'validate'?"),
        (["run", "--actvities", "x", "f"], "--activities"),
        (["events", "sned"], "send"),
        (["check", "f"], "Did you mean 'validate'?"),
        (["status", "i"], "Did you mean 'show'?"),
        (["delete", "i"], "Did you mean 'purge'?"),
        (["signal", "i", "Go"], "Did you mean 'events send'?"),
        (["help"], "Did you mean '--help'?"),
    ],
)
def test_a_misspelt_word_gets_a_guess(words: list[str], guess: str) -> None:
    """Commands and options that do not exist are usage errors with the nearest one that does."""
    answer = perdure(*words)
    assert answer.code == 2
    assert guess in answer.err


def test_the_words_of_other_programs_lead_to_ours() -> None:
    """What is guessed exists, and no word of ours is taken for one of theirs."""
    assert not MEANT.keys() & {*COMMANDS, *ALIASES}
    for words in MEANT.values():
        assert perdure(*words.split(), *["--help"] * (not words.startswith("-"))).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "list", "--limit", "x"],
        ["list", "--limit", "x", "--json"],
        ["lst", "--json"],
        ["run", "--json"],
        ["--json", "run", "missing.perdure.yaml"],
        ["--json", "--color", "blue", "list"],
    ],
)
def test_usage_errors_are_documents_too(words: list[str], here: Path) -> None:
    """Under ``--json`` a wrong call prints exactly one document with code and message, exit code 2."""
    answer = perdure(*words)
    assert answer.code == 2
    assert set(answer.document) == {"version", "error"}
    assert set(answer.document["error"]) == {"code", "message", "hint", "details"}


def test_an_answer_is_one_document(here: Path) -> None:
    """A list with nothing in it is ``[]`` under ``--json``, wherever the option stands."""
    given_database(here)
    assert perdure("--json", "list").document == {"version": 1, "data": []}
    assert perdure("list", "--json").document == {"version": 1, "data": []}


def test_a_database_or_a_server(here: Path) -> None:
    """A call that names both is refused; a flag beats what the environment names."""
    assert perdure("list", "--db", "memory://", "--server", "http://127.0.0.1:1").code == 2
    assert perdure("list", PERDURE_DB="memory://", PERDURE_SERVER="http://127.0.0.1:1").code == 2
    assert perdure("list", "--db", "memory://", PERDURE_SERVER="http://127.0.0.1:1").code == 0


def test_what_works_on_a_database_takes_no_server(here: Path) -> None:
    """``run`` and ``serve`` refuse ``--server``."""
    assert "--db" in perdure("run", "x.yaml", "--server", "http://127.0.0.1:1").err
    assert perdure("serve", "--server", "http://127.0.0.1:1").code == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:////proc/none/here.db", 3),
        ("sqlite:///not-a-database", 3),
        ("sqlite:///a-directory", 3),
        ("foo://bar", 2),
        ("postgresql://u:secret@127.0.0.1:1/x", 3),
    ],
)
def test_a_database_out_of_reach(url: str, code: int, here: Path) -> None:
    """A database that cannot be opened is told in a sentence."""
    (here / "not-a-database").write_text("plain text, long enough to be read as a page\n" * 50)
    (here / "a-directory").mkdir()
    answer = perdure("keys", "create", "ops", "--db", url)
    assert answer.code == code
    assert answer.err.startswith("Error: ")
    assert "Traceback" not in answer.err
    assert "secret" not in answer.err
    if url.startswith("sqlite:"):
        assert url.removeprefix("sqlite:///") in answer.err


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "show x",
        "history x",
        "explain x",
        "start x",
        "wait x",
        "workers list",
        "queues list",
        "keys list",
        "definitions list",
        "purge x --yes",
        "hub export hub.gz",
    ],
)
def test_who_looks_into_a_database_that_is_not_there_makes_none(words: str, here: Path) -> None:
    """A misspelt name must not look like a hub whose work is lost."""
    (here / "shop.db").write_bytes(new_database())
    misspelt = perdure(*words.split(), "--db", "sqlite:///shp.db")
    assert misspelt.code == 4
    assert "there is no database shp.db" in misspelt.err
    assert "did you mean --db sqlite:///shop.db?" in misspelt.err
    away = perdure(*words.split())
    assert away.code == 4
    assert "there is no database .perdure/perdure.db" in away.err
    assert "deploy make one" in away.err
    assert [each.name for each in here.iterdir()] == ["shop.db"]


def test_an_empty_file_is_no_hub(here: Path) -> None:
    """Nor does it become one while somebody looks; who deploys makes one of it."""
    (here / "empty.db").touch()
    looked = perdure("list", "--db", "sqlite:///empty.db")
    assert (looked.code, "holds no hub" in looked.err) == (4, True)
    assert perdure("keys", "create", "ops", "--db", "sqlite:///empty.db").code == 0
    assert perdure("list", "--db", "sqlite:///empty.db").code == 0


@pytest.mark.parametrize(
    ("url", "meant"), [("a/b.db", "sqlite:///a/b.db"), ("sqlite://b.db", "sqlite:///b.db"), ("foo://b", None)]
)
def test_a_path_is_no_url(url: str, meant: str | None, here: Path) -> None:
    """What was meant is said."""
    refused = perdure("list", "--db", url)
    assert refused.code == 2
    assert (f"did you mean {meant}?" in refused.err) == (meant is not None)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://u@127.0.0.1:abc/d", "a port that is no number"),
        ("postgresql://u@127.0.0.1:70000/d", "a port that is no number"),
        ("postgresql://u@127.0.0.1:9/d?sslmod=require", 'invalid URI query parameter: "sslmod"'),
        ("postgresql://u:hush%zz@127.0.0.1:9/d", "invalid percent-encoded token"),
    ],
)
def test_a_url_that_no_server_is_reached_by_is_wrong_usage(url: str, said: str, here: Path) -> None:
    """Exit code 2, unlike a server that is down; a password in it is not shown."""
    pytest.importorskip("psycopg")
    refused = perdure("list", "--db", url)
    assert (refused.code, said in refused.err, "postgresql://USER@HOST:PORT" in refused.err) == (
        2,
        True,
        True,
    )
    assert "hush" not in refused.err
    assert "%zz" not in refused.err


def test_a_server_out_of_reach(here: Path) -> None:
    """Nobody listening is exit code 3, with the hint how to start a server."""
    answer = perdure("list", "--server", "http://127.0.0.1:9")
    assert answer.code == 3
    assert "perdure serve" in answer.err


def test_a_bug_leaves_its_traceback_in_a_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of ours is a sentence with the version and the file of the traceback, and exit code 5."""
    monkeypatch.setattr("tempfile.tempdir", str(here))
    assert report(ZeroDivisionError("deep inside"), ["list"]) == 5
    (file,) = here.glob("perdure-*.traceback.txt")
    told = capsys.readouterr().err
    assert str(file) in told
    assert version() in told
    assert "deep inside" not in told
    assert "ZeroDivisionError: deep inside" in file.read_text()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """``perdure explain | head`` with a closed pipe ends in silence."""
    reader, writer = os.pipe()
    os.close(reader)
    answer = subprocess.run(
        [PERDURE, "explain"], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "environment", "colored"),
    [
        ([], {}, False),
        (["--color", "always"], {}, True),
        ([], {"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
        ([], {"NO_COLOR": "", "CLICOLOR_FORCE": "1"}, True),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (["--color", "never"], {"NO_COLOR": "", "FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_are_asked_for(
    words: list[str], environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag beats NO_COLOR, which beats FORCE_COLOR; without a terminal there are none."""
    from perdure.cli.console import Console
    from perdure.cli.settings import Settings

    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said = Settings(color=words[1]) if words else Settings()  # type: ignore[arg-type]
    assert Console(said).colors(sys.stdout) is colored


def test_output_that_is_not_unicode_is_escaped(tmp_path: Path) -> None:
    """With an ASCII stdout the answer is still one JSON document."""
    (tmp_path / "é.perdure.yaml").write_text("nö", encoding="utf-8")
    process = subprocess.run(
        [PERDURE, "validate", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert process.returncode == 1
    assert b"\\u00e9" in process.stdout


def test_a_process_says_the_same(tmp_path: Path) -> None:
    """The installed program is this command line."""
    assert call("--version", cwd=tmp_path).out == f"perdure {version()}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("serve --port abc", "'abc' is not a whole number from 0 to 65535"),
        ("serve --port 65536", "'65536' is not a whole number from 0 to 65535"),
        ("list --limit many", "'many' is not a whole number from 1 to 1000"),
        ("dlq show first", "'first' is not a whole number of at least 1"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_no_number_is_said_with_its_bounds(words: str, said: str) -> None:
    """Exit code 2."""
    answer = perdure(*words.split())
    assert (answer.code, said in answer.err) == (2, True)


def test_the_help_of_a_group_shows_whole_sentences() -> None:
    """Of every command in it."""
    groups = [name for name in COMMANDS if "COMMAND [ARGS]" in perdure(name, "--help").out]
    assert len(groups) > 5
    for name in groups:
        _, _, listed = perdure(name, "--help", COLUMNS="80").out.partition("Commands:")
        assert listed
        assert "..." not in listed


def test_a_worker_needs_a_database(here: Path) -> None:
    """Beside a server that somebody believes it works for, it does not begin with an empty one of its own."""
    refused = perdure("worker", PERDURE_SERVER="http://127.0.0.1:1")
    assert refused.code == 2
    assert "PERDURE_SERVER names a server, but a worker works on a database" in refused.err
    assert "give --db" in refused.err
    assert not [*here.iterdir()]


def test_a_file_that_is_not_there_is_told_with_one_that_is(here: Path) -> None:
    """If its name is nearly the same; one that is there and cannot be read is not its own likeness."""
    (here / "order.perdure.yaml").mkdir()
    misspelt = perdure("run", "ordr.perdure.yaml")
    assert (misspelt.code, "did you mean order.perdure.yaml?" in misspelt.err) == (2, True)
    folder = perdure("run", "order.perdure.yaml")
    assert (folder.code, "did you mean" in folder.err) == (2, False)


def test_a_module_that_is_not_there_is_told_without_pythons_own_files(here: Path) -> None:
    """But one that cannot be imported with the line that is the cause."""
    (here / "broken_shop.py").write_text("\nimport nothing_like_that\n")
    missing = perdure("worker", "nothing_of_that_name")
    assert missing.code == 2
    assert missing.err.endswith("No module named 'nothing_of_that_name'\n")
    broken = perdure("worker", "broken_shop.py")
    assert broken.code == 2
    assert broken.err.endswith("broken_shop.py:2)\n")
