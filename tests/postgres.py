"""A PostgreSQL of one's own: each test process starts one in a temporary directory and stops it in the end.

It listens on a socket in that directory alone. Where there is none to start, the tests that need it are
skipped, unless ``PERDURE_TEST_POSTGRES`` is ``required``.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

import psycopg
import pytest

from perdure.engine.store.postgres import PostgresStore
from perdure.engine.store.tables import METADATA
from tests.engine.facts import eventually

USER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    # Its transactions would be news for whoever asks whether anything has changed.
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "deadlock_timeout": "100ms",
    # A plan is looked at as it would be in a hub with many rows.
    "log_min_messages": "panic",
}


def binaries() -> Path | None:
    """The directory of the server's programs; Debian keeps them out of PATH."""
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = Path(on_path).resolve() if on_path else found[-1] if found else None
    return initdb.parent if initdb else None


class Server:
    """One PostgreSQL, in a directory that goes with it. ``settings`` come before those of all tests.

    The command ``within`` runs it elsewhere. With ``of`` it is a standby of another one.
    """

    def __init__(
        self,
        programs: Path,
        settings: Mapping[str, str] | None = None,
        *,
        within: Sequence[str] = (),
        of: Server | None = None,
    ) -> None:
        self._programs = programs
        self._within = list(within)
        self._settings = {**SETTINGS, **(settings or {})}
        self.directory = Path(tempfile.mkdtemp(prefix="perdure-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._cleaner: psycopg.Connection | None = None
        if os.geteuid() == 0:
            shutil.chown(self.directory, USER, USER)
        if of is None:
            options = ["-A", "trust", "-U", "perdure", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            self._run("initdb", "-D", self.data, *options)
            # Whoever can reach it in a test may use it, and copy it.
            for kind in ("all", "replication"):
                with (self.data / "pg_hba.conf").open("a") as file:
                    file.write(f"host {kind} all all trust\n")
        else:
            source = f"host={of.directory} user=perdure dbname=postgres"
            self._run("pg_basebackup", "-D", self.data, "-R", "-d", source, "--checkpoint=fast", "--no-sync")
        self.start()

    @property
    def data(self) -> Path:
        """Where the database lies."""
        return self.directory / "data"

    def _run(self, program: str, *words: str | Path) -> None:
        command = [*self._within, *self._as_user(), self._programs / program, *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.directory)

    @staticmethod
    def _as_user() -> list[str]:
        """It refuses to run as root. It ends with the process that has started it."""
        user = [f"--reuid={USER}", f"--regid={USER}", "--init-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *user, "--pdeathsig", "QUIT"]

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [
            self._programs / "postgres",
            "-D",
            self.data,
            "-k",
            self.directory,
            *settings,
        ]
        self._process = subprocess.Popen(
            [*self._within, *self._as_user(), *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )
        for _ in range(4):  # a busy machine may take longer than anything else takes
            with suppress(AssertionError):
                return eventually(self._answers)
        raise AssertionError("the server does not answer")

    def stop(self, how: str = "QUIT") -> None:
        """``QUIT`` is a crash, ``INT`` ends what runs in order."""
        self._forget_connection()
        if self._process is not None:
            self._process.send_signal({"QUIT": signal.SIGQUIT, "INT": signal.SIGINT}[how])
            self._process.wait()
            self._process = None

    def _forget_connection(self) -> None:
        if self._cleaner is not None:
            self._cleaner.close()
            self._cleaner = None

    def vanish(self) -> None:
        """End it as a machine ends whose power fails: all of its processes at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        for each in [*_children(self._process.pid), self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait()
        self._process = None
        self._forget_connection()

    def send_nothing_more(self) -> None:
        """From now on no standby hears of anything."""
        assert self._process is not None
        for each in _children(self._process.pid):
            if b"walsender" in Path(f"/proc/{each}/cmdline").read_bytes():
                os.kill(each, signal.SIGSTOP)

    def promote(self) -> None:
        """Let a standby be the server that takes writes."""
        self._run("pg_ctl", "promote", "-D", self.data)

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop()
        shutil.rmtree(self.directory)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, schema: str = "hub", *, at: str | Path | None = None) -> str:
        """Of a hub, by the server's socket or ``at`` an address on which it listens, or several."""
        return f"postgresql://perdure@/postgres?host={at or self.directory}&schema={schema}"

    def connect(self, schema: str = "hub") -> psycopg.Connection:
        """A connection for looking and for getting in the way; each statement is a transaction."""
        return psycopg.connect(
            f"postgresql://perdure@/postgres?host={self.directory}",
            autocommit=True,
            options=f"-c search_path={schema}",
        )

    @cached_property
    def _new_hub(self) -> str:
        """Makes the hub once, and returns what makes it new again: quicker than another one each time."""
        PostgresStore(self.url()).close()
        kept = {"meta", "slots"}
        deleted = [f'DELETE FROM hub."{name}"' for name in METADATA.tables if name not in kept]
        numbered = [
            f"ALTER SEQUENCE hub.{name}_ord_seq RESTART" for name in ("inbox", "audit", "dead_letters")
        ]
        slots = "UPDATE hub.slots SET owner = NULL, crashes = 0 WHERE owner IS NOT NULL OR crashes > 0"
        return "; ".join([*deleted, *numbered, slots])

    def new_hub(self) -> str:
        """The URL of a hub with nothing in it."""
        making_new = self._new_hub.encode()
        if self._cleaner is None:
            self._cleaner = self.connect()
        self._cleaner.execute(making_new)
        return self.url()


def loopback(number: int) -> str:
    """An address of this machine that no other process's servers have; ``number`` is 0 to 3."""
    own = os.getpid() * 4 + number
    return f"127.{own >> 16 & 255}.{own >> 8 & 255}.{own & 255}"


def _children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            parent = path.read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid:
                found.append(int(path.parent.name))
    return found


def waits(sql: psycopg.Connection, count: int = 1) -> bool:
    """Whether so many transactions of others wait for locks."""
    sql.execute("SELECT pg_stat_clear_snapshot()")
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return sql.execute(query).fetchall() == [(count,)]


def deadlocks(sql: psycopg.Connection, *stores: PostgresStore) -> int:
    """How many there were in this database; the stores are closed, so that their servers have told it."""
    for store in stores:
        store.close()
    query = "SELECT pid, backend_start::text, query FROM pg_stat_activity WHERE application_name = 'perdure'"
    try:
        eventually(lambda: not sql.execute(query).fetchall())
    except AssertionError:
        left = "\n".join(map(str, sql.execute(query).fetchall()))
        raise AssertionError(f"nobody closes these, of this test or one before it:\n{left}") from None
    query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    ((count,),) = sql.execute(query).fetchall()
    return int(count)


@contextmanager
def running(
    settings: Mapping[str, str] | None = None, *, within: Sequence[str] = (), of: Server | None = None
) -> Iterator[Server]:
    """A server; the test is skipped where there is none to start."""
    programs = binaries()
    if programs is None:
        missing = "there is no PostgreSQL here: apt-get install postgresql (the server's programs are needed)"
        if os.environ.get("PERDURE_TEST_POSTGRES") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    server = Server(programs, settings, within=within, of=of)
    try:
        yield server
    finally:
        server.remove()
