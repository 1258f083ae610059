"""Real processes of perdure: the commands that people type, killed and stopped from outside."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from perdure.engine.store.urls import postgres_url
from tests.black_box.orders import ACTIVITIES
from tests.checkout import ROOT

LEASE = 10.0
PERDURE = Path(sys.executable).with_name("perdure")


WAL_WRITE_LOCK = 120
"""The byte of the ``-shm`` file that SQLite's one writer has locked."""
WRITING, ENTERING, BETWEEN = "in a write", "at the turnstile", "between writes"


@dataclass(frozen=True)
class Folder:
    """Where a hub lies, with its database if that is a file, and the ledger of its activities."""

    path: Path
    postgres: str | None = None
    """The hub, where it is not a file."""

    @property
    def url(self) -> str:
        """The hub."""
        return self.postgres or f"sqlite:///{self.database}"

    @property
    def database(self) -> Path:
        """The file."""
        return self.path / "hub.db"

    @property
    def log(self) -> Path:
        """SQLite's write-ahead log of it."""
        return self.path / "hub.db-wal"

    @property
    def ledger(self) -> Path:
        """What activities write."""
        return self.path / "ledger"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers to somebody who looks on."""
        if self.postgres is None:
            with closing(sqlite3.connect(self.database)) as connection:
                return connection.execute(query).fetchall()
        url = postgres_url(self.postgres)
        with psycopg.connect(url.conninfo, options=f"-c search_path={url.schema}") as looking:
            return looking.execute(query.encode()).fetchall()

    def command(self, *words: str) -> subprocess.Popen[str]:
        """A command of perdure on the database, begun."""
        return self.spawn([str(PERDURE), "--json", "--db", self.url, *words])

    def spawn(self, words: list[str]) -> subprocess.Popen[str]:
        """A process, begun; what it says of itself goes to a file."""
        with (self.path / "stderr").open("a") as errors:
            return subprocess.Popen(
                words,
                cwd=ROOT,
                env={**os.environ, "PERDURE_TEST_LEDGER": str(self.ledger)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )


class Server:
    """``perdure serve``; or a server with a ``lease`` in seconds, or with a wrong engine, else the same.

    It keeps its port when it is started again.
    """

    def __init__(self, folder: Folder, lease: float | None = None, mutant: str | None = None) -> None:
        self._folder = folder
        self._lease = lease
        self._mutant = mutant
        self._port = 0
        self.begin()
        self.ready()

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process."""
        return self._popen.pid

    def begin(self) -> None:
        """Start it."""
        port = str(self._port)
        if self._lease is None and self._mutant is None:
            words = ["serve", "--activities", str(ACTIVITIES), "--port", port]
            self._popen = self._folder.command(*words)
        else:
            words = [self._folder.url, str(self._lease or LEASE), port]
            words += [] if self._mutant is None else [self._mutant]
            self._popen = self._folder.spawn([sys.executable, "-m", "tests.black_box.server", *words])

    def ready(self) -> None:
        """Wait until it answers."""
        assert self._popen.stdout is not None
        said = self._popen.stdout.readline()
        if '"data"' not in said:
            self.kill()
            raise RuntimeError(f"the server did not start: {said or self._folder.path / 'stderr'}")
        self._port = int(json.loads(said)["data"]["url"].rpartition(":")[2])

    @property
    def worker(self) -> str:
        """The id under which it is a member of the hub: the last of the lock files that it has opened.

        Empty while it has none: it is about to join again.
        """
        folder = Path(f"{self._folder.database}.workers")
        last = ""
        for each in sorted(Path(f"/proc/{self.pid}/fd").iterdir(), key=lambda each: int(each.name)):
            with suppress(FileNotFoundError):  # It has closed it since we looked.
                opened = each.readlink()
                last = opened.name if opened.parent == folder else last
        return last

    def stop(self) -> str:
        """Stop it; returns in the middle of what it is."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)
        held = _write_locks(self.pid)
        if (_inode(f"{self._folder.database}-shm"), WAL_WRITE_LOCK) in held:
            return WRITING
        if (_inode(f"{self._folder.database}.turnstile"), 0) in held:
            return ENTERING
        return BETWEEN

    @property
    def answers(self) -> bool:
        """Whether it has said that it answers, or has ended."""
        assert self._popen.stdout is not None
        return bool(select.select([self._popen.stdout], [], [], 0)[0])

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._popen.send_signal(number)

    def kill(self) -> None:
        """End it at once, stopped or not, if it has not ended."""
        if self._popen.returncode is None:
            self._popen.kill()
            self._popen.communicate()

    def end(self) -> int:
        """Let it end well; returns its exit code."""
        self._popen.send_signal(signal.SIGTERM)
        self._popen.communicate()
        return self._popen.returncode


def _inode(path: str) -> int:
    return Path(path).stat().st_ino


def _write_locks(pid: int) -> set[tuple[int, int]]:
    """The files, by inode, and the first bytes that a process has locked for itself, as Linux tells."""
    words = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    mine = [each for each in words if each[1] == "POSIX" and each[3:5] == ["WRITE", str(pid)]]
    return {(int(each[5].rpartition(":")[2]), int(each[6])) for each in mine}
