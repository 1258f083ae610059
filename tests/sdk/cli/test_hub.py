"""``perdure hub``: a hub is moved, and what is said of it."""

from __future__ import annotations

import gzip
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from perdure.engine.store.closing import is_closed
from tests.sdk.cli.program import perdure

FLOW = "dsl: perdure/1\nname: flow\nversion: 1.0.0\ndo: [ { return: 7 } ]\n"


def started(folder: Path) -> None:
    """A hub with one instance that nobody has run yet."""
    (folder / "flow.perdure.yaml").write_text(FLOW)
    assert perdure("deploy", "flow.perdure.yaml").code == 0
    assert perdure("start", "flow", "--id", "one").code == 0


def test_a_hub_goes_on_where_it_was_imported(here: Path) -> None:
    """And only there."""
    started(here)
    assert "1 instance and" in perdure("hub", "export", "hub.gz", "--yes").err
    assert gzip.decompress((here / "hub.gz").read_bytes()).startswith(b'{"perdure_hub":1')
    closed = perdure("list")
    assert (closed.code, "is closed" in closed.err, "hub reopen" in closed.err) == (4, True, True)
    taken = perdure("hub", "import", "hub.gz", "--db", "sqlite:///new.db", "--json")
    assert taken.data["rows"]["instances"] == 1
    run = perdure("run", "flow.perdure.yaml", "--id", "one", "--db", "sqlite:///new.db")
    assert (run.code, run.out) == (0, "7\n")


@pytest.mark.parametrize("words", [["export", "f", "--yes"], ["import", "new.hub"], ["reopen", "--yes"]])
def test_a_hub_is_not_moved_beside_a_server_that_is_meant(
    here: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """The database of this folder, which nobody has named, is left open beside ``PERDURE_SERVER``."""
    started(here)
    (here / "new.hub").write_text("{}")
    with monkeypatch.context() as environment:
        environment.setenv("PERDURE_SERVER", "http://127.0.0.1:1")
        refused = perdure("hub", *words)
        assert (refused.code, refused.out) == (2, "")
        assert f"PERDURE_SERVER names a server, but hub {words[0]} works on a database" in refused.err
        assert "give --db" in refused.err
    assert perdure("list").code == 0


def test_the_file_is_for_its_owner(here: Path) -> None:
    """It holds all inputs and outputs."""
    started(here)
    perdure("hub", "export", "hub.jsonl", "--yes")
    assert (here / "hub.jsonl").stat().st_mode & 0o077 == 0
    assert [each.name for each in here.glob("*.part")] == []


def test_the_name_of_the_file_is_on_the_disk_before_the_hub_is_closed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut could take the file away, and leave a hub that was closed for it."""
    started(here)
    seen: list[tuple[bool, bool, bool]] = []
    sync = os.fsync

    def watched(handle: int) -> None:
        sync(handle)
        with closing(sqlite3.connect(here / ".perdure" / "perdure.db")) as database:
            (revision,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        seen.append((folder, (here / "hub.jsonl.part").exists(), is_closed(revision)))

    monkeypatch.setattr(os, "fsync", watched)
    assert perdure("hub", "export", "hub.jsonl", "--yes").code == 0
    assert seen == [(False, True, False), (True, True, False)]
    assert [each.name for each in here.glob("hub.*")] == ["hub.jsonl"]


def test_a_hub_is_opened_again(here: Path) -> None:
    """When nobody has used the file."""
    started(here)
    perdure("hub", "export", "hub.jsonl", "--yes")
    asked = perdure("hub", "reopen")
    assert (asked.code, "give --yes" in asked.err) == (2, True)
    again = perdure("hub", "reopen", "--yes", "--actor", "ann")
    assert (again.code, again.err) == (0, "this database is open again\n")
    assert "one" in perdure("list").out
    acts = [(each["actor"], each["action"]) for each in perdure("audit", "--json").data]
    assert acts[:2] == [("ann", "hub.reopen"), ("local", "hub.export")]
    assert perdure("hub", "reopen").err == "this database was not closed\n"


def test_nobody_closes_a_hub_who_wanted_a_copy(here: Path) -> None:
    """Without a terminal an export needs ``--yes``, and leaves neither a file nor a closed hub otherwise."""
    started(here)
    refused = perdure("hub", "export", "hub.gz")
    assert (refused.code, refused.out, "give --yes" in refused.err) == (2, "", True)
    assert list(here.glob("hub.gz*")) == []
    assert "one" in perdure("list").out


def test_what_is_not_there_is_neither_exported_nor_opened(here: Path) -> None:
    """Nor is it made."""
    for words in (["export", "hub.gz", "--yes"], ["reopen", "--yes"]):
        refused = perdure("hub", *words, "--db", "sqlite:///typo.db")
        assert (refused.code, "there is no database typo.db" in refused.err) == (4, True)
    assert not (here / "typo.db").exists()


def test_a_file_that_is_no_export_is_told_so(here: Path) -> None:
    """Whatever it is."""
    (here / "empty").write_text("")
    (here / "flow.yaml").write_text(FLOW)
    for name in ("empty", "flow.yaml"):
        refused = perdure("hub", "import", name, "--db", "sqlite:///new.db")
        assert (refused.code, "is no hub that was exported" in refused.err) == (2, True)


def test_a_file_that_cannot_be_written_leaves_the_hub_open(here: Path) -> None:
    """And no part of it."""
    started(here)
    nowhere = perdure("hub", "export", "nowhere/hub.gz", "--yes")
    assert (nowhere.code, "No such file or directory" in nowhere.err) == (3, True)
    (here / "taken.gz").write_text("mine")
    taken = perdure("hub", "export", "taken.gz", "--yes")
    assert (taken.code, "exists already" in taken.err) == (2, True)
    assert (here / "taken.gz").read_text() == "mine"
    assert "one" in perdure("list").out


def test_a_file_that_was_cut_off_is_refused(here: Path) -> None:
    """Packed or not; then nothing of it is there."""
    started(here)
    perdure("hub", "export", "hub.gz", "--yes")
    data = (here / "hub.gz").read_bytes()
    (here / "cut.gz").write_bytes(data[:-200])
    (here / "cut").write_bytes(gzip.decompress(data)[:-200])
    (here / "bent.gz").write_bytes(data[:50] + bytes([data[50] ^ 255]) + data[51:])
    for name in ("cut.gz", "cut", "bent.gz"):
        refused = perdure("hub", "import", name, "--db", "sqlite:///new.db")
        assert (refused.code, "was cut off, or changed" in refused.err) == (2, True), refused.err
    assert perdure("list", "--db", "sqlite:///new.db").err == "no instances\n"


def test_a_hub_in_memory_is_not_moved(here: Path) -> None:
    """It ends with the command."""
    for url in ("memory://", "sqlite://"):
        refused = perdure("hub", "export", "hub.gz", "--yes", "--db", url)
        assert (refused.code, "outlives" in refused.err) == (2, True)
    refused = perdure("hub", "export", "hub.gz", "--yes", "--server", "http://127.0.0.1:1")
    assert (refused.code, "--db instead of --server" in refused.err) == (2, True)
