from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from perdure.cli.settings import DEFAULT_DB
from perdure.engine.client import Client
from perdure.engine.store import open_store
from tests.checkout import ROOT
from tests.sdk.cli.program import Answer, call, finished, spawn

FILE = str(ROOT / "workflows" / "inventory" / "inventory.perdure.yaml")
MANY = 1500


def given_files(here: Path, *names: str) -> None:
    """Files below ``files``, each holding its name."""
    for name in names:
        path = here / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def inventory(here: Path, *words: str) -> Answer:
    """``perdure run`` of the inventory of ``files``."""
    fields = ("-i", "root=files", "-i", "manifest=manifest.sha256")
    return call("run", FILE, *fields, "--id", "inv", "-q", *words, cwd=here)


def names_in(manifest: Path) -> list[str]:
    """The names in a manifest, in order, as they are written."""
    return [line.partition("  ")[2] for line in manifest.read_text().splitlines()]


def test_the_manifest_is_what_sha256sum_reads(here: Path) -> None:
    """Names with spaces, backslashes and line ends are written as ``sha256sum -c`` wants them."""
    given_files(here, "plain", "with space", "below/deep", "back\\slash", "line\nend", "ümlaut")
    answer = inventory(here)
    assert json.loads(answer.out) == {"files": 6, "manifest": str(here / "manifest.sha256")}
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed: the lines are not checked by it")
    check = ["sha256sum", "--strict", "--quiet", "-c", "../manifest.sha256"]
    assert subprocess.run(check, cwd=here / "files", capture_output=True, text=True, check=False).stdout == ""
    assert subprocess.run(check, cwd=here / "files", capture_output=True, check=False).returncode == 0


def test_what_is_no_file_of_its_own_is_left_out(here: Path) -> None:
    """Links, pipes, __pycache__, excluded names and paths, and the manifest itself are not listed."""
    given_files(here, "a.txt", "b.tmp", "build/c.txt", "__pycache__/d.pyc", "manifest.sha256", "log")
    (here / "files" / "link").symlink_to("a.txt")
    (here / "files" / "round").symlink_to(".")
    os.mkfifo(here / "files" / "pipe")
    fields = {
        "root": "files",
        "manifest": "files/manifest.sha256",
        "log": "files/log",
        "exclude": ["*.tmp", "build"],
    }
    answer = call("run", FILE, "--input", json.dumps(fields), cwd=here)
    assert answer.code == 0, answer.err
    assert names_in(here / "files" / "manifest.sha256") == ["a.txt"]


def test_an_empty_directory_has_an_empty_manifest(here: Path) -> None:
    """No file is no error."""
    (here / "files").mkdir()
    assert json.loads(inventory(here).out)["files"] == 0
    assert (here / "manifest.sha256").read_bytes() == b""


@pytest.mark.slow
def test_a_manifest_of_several_pages(here: Path) -> None:
    """Pages follow each other without a gap, and nothing partial is left."""
    given_files(here, *(f"{number:04}" for number in range(MANY)))
    assert inventory(here).code == 0
    assert names_in(here / "manifest.sha256") == [f"{number:04}" for number in range(MANY)]
    assert list(here.glob(".*.part")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("root", "error"),
    [("missing", "NotADirectory"), ("undecodable", "BadName"), ("secret", "PermissionError")],
)
def test_what_cannot_be_listed_fails_at_once(root: str, error: str, here: Path) -> None:
    """A root that is no directory, and a name that is not UTF-8, fail the workflow with their own type."""
    if root == "undecodable":
        (here / root).mkdir()
        try:
            (here / root / os.fsdecode(b"\xff")).write_text("")
        except OSError:
            pytest.skip("this file system takes no name that is not UTF-8")
    if root == "secret":
        if os.geteuid() == 0:
            pytest.skip("root may read every directory")
        (here / root / "below").mkdir(parents=True, mode=0o000)
    answer = call("run", FILE, "-i", f"root={root}", "--json", cwd=here)
    assert answer.code == 1
    assert answer.document["error"]["details"]["error"]["type"] == error


def recorded(here: Path) -> set[str]:
    """The names whose hash is in the history now."""
    store = open_store(f"sqlite:///{here / DEFAULT_DB.removeprefix('sqlite:///')}")
    try:
        client = Client(store)
        instances = client.instances(chunks=True)["items"]
        return {name for each in instances for name in hashed_by(client, each["id"])}
    finally:
        store.close()


def hashed_by(client: Client, instance_id: str) -> set[str]:
    """Those of one instance: so many files are hashed in chunks."""
    events = []
    page = client.history(instance_id, limit=1000)
    while page["items"]:
        events += page["items"]
        if page["next"] is None:
            break
        page = client.history(instance_id, cursor=page["next"], limit=1000)
    scheduled = {each["seq"]: each for each in events if each["type"] == "TaskScheduled"}
    done = [scheduled[each["scheduled_seq"]] for each in events if each["type"] == "TaskCompleted"]
    return {each["input"]["path"] for each in done if each["name"] == "Sha256"}


def test_killed_half_way_it_goes_on(here: Path) -> None:
    """After kill -9 the same command finishes, and hashes no file again whose hash was recorded."""
    names = [f"{number:04}" for number in range(MANY)]
    given_files(here, *names)
    log = here / "log"
    log.touch()
    fields = ("-i", "root=files", "-i", "manifest=manifest.sha256", "-i", "log=log")
    process = spawn("run", FILE, *fields, "--id", "inv", cwd=here)
    while log.read_bytes().count(b"\n") <= MANY // 4:
        assert process.poll() is None, "it has ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    assert finished(process).code == -signal.SIGKILL
    before, hashed_before = recorded(here), Counter(log.read_text().splitlines())
    assert 0 < len(before) < MANY
    resumed = call("run", FILE, *fields, "--id", "inv", cwd=here)
    assert json.loads(resumed.out)["files"] == MANY
    hashed = Counter(log.read_text().splitlines())
    assert {name: hashed[name] for name in before} == {name: hashed_before[name] for name in before}
    assert set(hashed) == set(names)
    assert names_in(here / "manifest.sha256") == names
    assert "calls were completed before; they are not run again" in resumed.err
