"""A worker that a test can kill: ``python -m tests.engine.worker_process PATH LEASE [KIND [URL]]``.

``KIND`` is ``server`` or ``reserve``, ``activities`` for a worker that takes no turns and serves the queue
``far``, or ``deadly`` for a server that is killed when it writes a turn of an instance whose id begins with
``bad``. It says its worker's id when it has joined, and leaves at the end of its input. Its activities write
a line each into the file ``PATH.log``, and whatever it warns of goes to ``PATH.warnings``. Its hub is the
file ``PATH``, or at ``URL``.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from perdure.engine.activities import Registry
from perdure.engine.store import open_store
from perdure.engine.store.rows import Batch
from perdure.engine.store.sqlite import SqliteStore
from perdure.engine.worker import Worker
from tests.engine.facts import eventually

ROOT = Path(__file__).parents[2]


class DeadlyStore(SqliteStore):
    """A file that kills whoever writes certain turns."""

    def commit(self, batch: Batch) -> int:
        if any(each.id.startswith("bad") for each in batch.checkpoints):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().commit(batch)


class Process:
    """Such a process, from the test's side."""

    def __init__(
        self, path: Path, *, lease: float = 10.0, kind: str = "server", url: str | None = None
    ) -> None:
        self.popen = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.engine.worker_process",
                str(path),
                str(lease),
                kind,
                *([url] if url else []),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stdout is not None
        self.id = self.popen.stdout.readline().strip()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """End it at once, as the loss of power would, if it has not ended."""
        self.popen.kill()
        with self.popen:
            pass

    def end(self) -> int:
        """Let it leave; returns its exit code, or minus the signal that killed it before."""
        with self.popen:
            pass
        return self.popen.returncode


def lines(path: Path) -> list[str]:
    """What activities have written."""
    log = Path(f"{path}.log")
    return log.read_text().splitlines() if log.exists() else []


def allow(path: Path, count: int) -> None:
    """Let so many of the calls of ``Mark`` return."""
    new = Path(f"{path}.new")
    new.write_text(str(count))
    new.replace(f"{path}.allowed")


def allowed(path: Path) -> int:
    """How many may."""
    file = Path(f"{path}.allowed")
    return int(file.read_text()) if file.exists() else 0


def main(path: str, lease: str, kind: str, url: str | None = None) -> None:
    """Work until the input ends."""

    def write(text: str) -> None:
        with Path(f"{path}.log").open("a") as log:
            log.write(f"{text}\n")

    def mark(n: int) -> int:
        eventually(lambda: n < allowed(Path(path)))
        write(f"mark {n}")
        return n + 1

    def hold(name: str) -> str:
        write(f"begin {name}")
        eventually(Path(f"{path}.{name}").exists)
        write(f"end {name}")
        return name

    def bomb() -> None:
        write("bomb")
        os._exit(9)

    registry = Registry()
    registry.add("Mark", mark)
    registry.add("Hold", hold)
    registry.add("Bomb", bomb)
    deadly = DeadlyStore if kind == "deadly" else SqliteStore
    store = deadly(path) if url is None else open_store(url)
    microseconds = round(float(lease) * 1_000_000)
    logging.basicConfig(filename=f"{path}.warnings", level=logging.WARNING)
    far = kind == "activities"
    with Worker(
        store,
        registry,
        reserve=kind == "reserve",
        queues=("far",) if far else (),
        takes_turns=not far,
        lease=microseconds,
    ) as worker:
        sys.stdout.write(f"{worker.id}\n")
        sys.stdout.flush()
        sys.stdin.read()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
