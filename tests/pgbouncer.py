"""A PgBouncer in transaction mode before a PostgreSQL of the tests, as ``docs/operations.md`` sets one up.

Where it is not installed, the tests that need it are skipped, unless ``PERDURE_TEST_PGBOUNCER`` is
``required``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.engine.facts import eventually
from tests.postgres import USER, Server

PORT = 6432
CONFIGURATION = """\
[databases]
* = host={server} port=5432
[pgbouncer]
pool_mode = transaction
unix_socket_dir = {directory}
listen_port = {port}
auth_type = trust
auth_file = {directory}/users
max_client_conn = 500
default_pool_size = {connections}
tcp_keepidle = 2
tcp_keepintvl = 2
tcp_keepcnt = 2
tcp_user_timeout = 5000
"""


@contextmanager
def pooler(server: Server, connections: int = 20) -> Iterator[Path]:
    """The directory of its socket; it has so many connections to the server for all its clients."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        missing = "there is no PgBouncer here: apt-get install pgbouncer"
        if os.environ.get("PERDURE_TEST_PGBOUNCER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    directory = Path(tempfile.mkdtemp(prefix="perdure-pgbouncer-"))
    settings = CONFIGURATION.format(
        server=server.directory, directory=directory, port=PORT, connections=connections
    )
    (directory / "pgbouncer.ini").write_text(settings)
    (directory / "users").write_text('"perdure" ""\n')
    user = []
    if os.geteuid() == 0:
        # It refuses to run as root, as the server does.
        user = [f"--reuid={USER}", f"--regid={USER}", "--init-groups"]
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, USER, USER)
    process = subprocess.Popen(
        ["setpriv", *user, "--pdeathsig", "KILL", program, "-q", directory / "pgbouncer.ini"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=directory,
    )
    try:
        eventually(lambda: _answers(directory))
        yield directory
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


def pooled_url(directory: Path, schema: str = "hub") -> str:
    """Of the hub behind it."""
    return f"postgresql://perdure@/postgres?host={directory}&port={PORT}&schema={schema}&pooled=true"


def _answers(directory: Path) -> bool:
    with suppress(psycopg.OperationalError):
        psycopg.connect(f"host={directory} port={PORT} user=perdure dbname=postgres").close()
        return True
    return False
